"""Judging words where nobody named captions of the library's pictures.

The most similar picture is held against what any text lets expect of a picture that it describes.
That was learned from other photographs, so the promise holds for libraries like those, and more
unknown queries pass than where captions taught the gate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from retrieval.answer import Trust
from retrieval.rejection.calibration import conformal_trust, require_rate
from retrieval.rejection.gate import group_of
from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.encoders.expected_match import (
    READABLE,
    ExpectedMatch,
    asked_forms,
    match_for,
    surplus,
)
from spectrum.encoders.framing import unframed
from spectrum.encoders.protocol import Encoder

DETECTOR = "expected-match"
NEAREST = 64
"""Pictures, as the library ranks them, whose cosines to the encoder's own vectors are looked at."""
TOO_FAR = "no picture here is as similar as one that these words describe would be"
MISSPELT = "the encoder cannot read some of it: no word that it knows is spelled like that"


@dataclass(frozen=True)
class UncaptionedWords:
    """Judges texts by their best picture and by what they let expect of it."""

    match: ExpectedMatch
    encoder: EmbeddedEncoder

    def trust(
        self,
        text: str,
        vector: Float32[np.ndarray, " S"],
        pictures: Float32[np.ndarray, "C S"],
        n_pictures: int,
        false_reject: float,
    ) -> Trust:
        """Whether there is anything for a text among `n_pictures`, of which these are nearest.

        `vector` is the text's; without "a photo of" at its beginning it is encoded again.

        Of the first k of n levels, k = floor(alpha (n + 1)), a refused text lies below the last:
        split-conformal prediction, as in `calibration`.
        """
        require_rate(false_reject)
        asked = unframed(text)
        vectors = self._vectors(asked_forms(asked), {text: vector})
        best = (vectors @ pictures.T).max(axis=1).mean(keepdims=True)
        expected = self.match.expected(vectors).mean(keepdims=True)
        letters = self.encoder.letters_per_piece([asked])
        score = surplus(best, expected, letters, n_pictures)
        levels = self.match.levels[group_of(text)]
        trust = float(conformal_trust(score, levels)[0])
        n = len(levels)
        threshold = (int(false_reject * (n + 1) + 1e-9) + 1) / (n + 1)
        accepted = trust >= threshold
        reason = MISSPELT if letters[0] < READABLE else TOO_FAR
        return Trust(
            trust=trust,
            conformity=None,
            confidence=None,
            threshold=threshold,
            accepted=accepted,
            false_reject=false_reject,
            reasons=() if accepted else (reason,),
            detector=DETECTOR,
            n_calibrating=self.match.pairs,
        )

    def _vectors(
        self, forms: Sequence[str], known: dict[str, Float32[np.ndarray, " S"]]
    ) -> Float32[np.ndarray, "T S"]:
        """Of texts some of which are encoded already."""
        new = [form for form in forms if form not in known]
        every = known | dict(zip(new, self.encoder.encode_texts(new), strict=True))
        return np.stack([every[form] for form in forms])


def uncaptioned_words(encoder: Encoder) -> UncaptionedWords | None:
    """What judges the words of a library without captions; None for an encoder that none was
    learned for. ModelUnavailableError where what ships is damaged."""
    if not isinstance(encoder, EmbeddedEncoder):
        return None
    match = match_for(encoder.identity, SHIPPED)
    return UncaptionedWords(match, encoder) if match else None
