"""What a search does with the gate: judges what a query wants, and leaves weak hits out."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32, Float64, Int64

from retrieval.answer import Answer, Hit, Trust
from retrieval.query import ImagePart, Query, TextPart
from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.company import TextEncoder
from retrieval.rejection.gate import Gate, combined
from retrieval.rejection.state import NEVER_CALIBRATED, WORDS_UNJUDGED
from retrieval.rejection.uncaptioned import UncaptionedWords

Stored = Callable[
    [Int64[np.ndarray, "H"]], tuple[Int64[np.ndarray, "M"], Float32[np.ndarray, "M D"]]
]
"""Ids of pictures -> those of them that are still there, and the encoder's own vectors of these."""
Nearest = Callable[[int], Int64[np.ndarray, "H"]]
"""Number of a query's part -> ids of the pictures that the library has nearest to it."""


class Judge:
    """A library's gate, read at the first query that asks for it."""

    def __init__(
        self,
        load: Callable[[], Gate | None],
        encode: TextEncoder,
        semantic_dimension: int,
        stored: Stored | None = None,
        uncaptioned: Callable[[], UncaptionedWords | None] = lambda: None,
    ) -> None:
        """`uncaptioned` judges the words of a library that was calibrated without captions."""
        self._load, self._encode, self._semantic = load, encode, semantic_dimension
        self._stored = stored
        self._uncaptioned = functools.cache(uncaptioned)
        self._gate: Gate | None = None
        self._trouble = ""
        self._loaded = False

    def judged(
        self,
        answer: Answer,
        query: Query,
        parts: Float32[np.ndarray, "P D"],
        *,
        false_reject: float,
        show_rejected: bool,
        cosines: bool,
        nearest: Nearest | None = None,
    ) -> Answer:
        """The answer with its trust: without hits if it is refused, else without the weak ones.

        `parts` are the vectors that a search makes of the query's parts, `cosines` says that the
        similarities of hits are cosines. Where they are not, those of refined vectors say, the
        cosines to the encoder's own vectors tell which hits are weak.
        """
        trust, trouble = self.trust(query, parts, false_reject, nearest)
        answer = replace(answer, trust=trust, ungated=trouble)
        if trust is None or show_rejected:
            return answer
        if not trust.accepted:
            return replace(answer, hits=())
        return self._without_weak(answer, query, parts, trust.false_reject, cosines=cosines)

    def trust(
        self,
        query: Query,
        parts: Float32[np.ndarray, "P D"],
        false_reject: float,
        nearest: Nearest | None = None,
    ) -> tuple[Trust | None, str]:
        """The query's trust, None where no part was judged; and which parts were not, and why.

        Parts that are subtracted are not judged: nobody minds that there is nothing unwanted. A
        calibration that cannot be read refuses nothing, and the search goes on. Without captions,
        words are judged by the pictures that are `nearest` to them.
        """
        gate = self._opened()
        if gate is None:
            return None, self._trouble
        judged: list[Trust | None] = []
        unjudged = ""
        for place, (part, vector) in enumerate(zip(query.parts, parts, strict=True)):
            if part.weight < 0:
                continue
            if isinstance(part, TextPart):
                semantic = np.ascontiguousarray(vector[: self._semantic])
                found = gate.text_trust(part.text, semantic, self._encode, false_reject)
                if found is None and nearest is not None:
                    ids = functools.partial(nearest, place)
                    found = self._uncaptioned_trust(gate, part.text, semantic, ids, false_reject)
                judged.append(found)
                unjudged = unjudged if found else WORDS_UNJUDGED
            elif isinstance(part, ImagePart):
                unit = self._unit_blocks(vector)
                judged.append(gate.image_trust(unit, false_reject))
        return combined(judged), unjudged

    def _uncaptioned_trust(
        self,
        gate: Gate,
        text: str,
        vector: Float32[np.ndarray, " S"],
        nearest: Callable[[], Int64[np.ndarray, "H"]],
        false_reject: float,
    ) -> Trust | None:
        """By the best of the nearest pictures; None where nobody can judge by that."""
        words = self._uncaptioned()
        if words is None or self._stored is None:
            return None
        _, pictures = self._stored(nearest())
        if not len(pictures):  # all pruned this moment
            return None
        semantic = pictures[:, : self._semantic]
        return words.trust(text, vector, semantic, len(gate.image_ids), false_reject)

    def _without_weak(
        self,
        answer: Answer,
        query: Query,
        parts: Float32[np.ndarray, "P D"],
        false_reject: float,
        *,
        cosines: bool,
    ) -> Answer:
        """Queries of several parts have standard scores, and an intent counts beside likeness: all
        their hits are kept."""
        assert self._gate is not None
        if len(query.parts) > 1 or query.parts[0].weight < 0 or query.is_intended:
            return answer
        if cosines:
            similar = np.array([hit.similarity for hit in answer.hits], dtype=np.float64)
        elif self._stored is not None:
            similar = self._cosines(answer.hits, parts[0])
        else:
            return answer
        kind = "text" if isinstance(query.parts[0], TextPart) else "image"
        strong = similar >= self._gate.match_floor(kind, false_reject)
        kept = tuple(hit for hit, stays in zip(answer.hits, strong, strict=True) if stays)
        # An accepted query has a best hit, even where the whole query and not that hit was usual.
        kept = kept or answer.hits[:1]
        return replace(answer, hits=kept, n_weak=len(answer.hits) - len(kept))

    def _cosines(
        self, hits: Sequence[Hit], vector: Float32[np.ndarray, " D"]
    ) -> Float64[np.ndarray, " H"]:
        """What the hits' similarities would be without refinement."""
        assert self._stored is not None
        held, stored = self._stored(np.array([hit.image_id for hit in hits], dtype=np.int64))
        cosine = dict(zip(held.tolist(), (stored @ vector).tolist(), strict=True))
        # A picture that went this moment is not weak for that.
        return np.array([cosine.get(hit.image_id, np.inf) for hit in hits], dtype=np.float64)

    def _opened(self) -> Gate | None:
        if not self._loaded:
            try:
                self._gate = self._load()
                self._trouble = "" if self._gate else NEVER_CALIBRATED
            except CalibrationError as error:
                self._trouble = str(error)
            self._loaded = True
        return self._gate

    def _unit_blocks(self, vector: Float32[np.ndarray, " D"]) -> Float32[np.ndarray, " D"]:
        blocks = [vector[: self._semantic], vector[self._semantic :]]
        unit = [block / max(float(np.linalg.norm(block)), 1e-9) for block in blocks]
        return np.concatenate(unit).astype(np.float32)
