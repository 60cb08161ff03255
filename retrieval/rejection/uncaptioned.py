"""Judging words where nobody named captions of the library's pictures.

The most similar picture is held against what any text lets expect of a picture that it describes.
That was learned from other photographs, so the promise holds for libraries like those, and more
unknown queries pass than where captions taught the gate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.answer import Trust
from retrieval.rejection.calibration import conformal_trust, require_rate
from retrieval.rejection.gate import GROUPS, group_of
from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.encoders.expected_match import (
    READABLE,
    ExpectedMatch,
    asked_forms,
    match_for,
    over_forms,
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

    @property
    def levels(self) -> Mapping[str, Float32[np.ndarray, " L"]]:
        """Of each group of texts, those of its form."""
        levels = self.match.levels
        return {group: levels["sentence" if group == "sentence" else "phrase"] for group in GROUPS}

    def scores(
        self,
        texts: Sequence[str],
        pictures: Float32[np.ndarray, "C S"],
        n_pictures: int,
        known: Mapping[str, Float32[np.ndarray, " S"]] | None = None,
    ) -> Float64[np.ndarray, " T"]:
        """The surplus of each text among `n_pictures`, of which the nearest are here.

        `known` are vectors of texts, where there are any already.
        """
        asked = [unframed(text) for text in texts]
        forms = [form for text in asked for form in asked_forms(text)]
        vectors = dict(known or {})
        new = [form for form in dict.fromkeys(forms) if form not in vectors]
        vectors |= zip(new, self.encoder.encode_texts(new), strict=True)
        every = np.stack([vectors[form] for form in forms])
        return surplus(
            over_forms((every @ pictures.T).max(axis=1), asked),
            over_forms(self.match.expected(every), asked),
            self.encoder.letters_per_piece(asked),
            n_pictures,
        )

    def trust(
        self,
        text: str,
        vector: Float32[np.ndarray, " S"],
        pictures: Float32[np.ndarray, "C S"],
        n_pictures: int,
        false_reject: float,
    ) -> Trust:
        """Whether there is anything for a text among `n_pictures`, of which the nearest are here.

        `vector` is the text's. Refused is what lies below the k-th of n levels, k = floor(alpha
        (n + 1)): split-conformal prediction, as in `calibration`.
        """
        require_rate(false_reject)
        score = self.scores([text], pictures, n_pictures, {text: vector})
        levels = self.levels[group_of(text)]
        trust = float(conformal_trust(score, levels)[0])
        n = len(levels)
        threshold = (int(false_reject * (n + 1) + 1e-9) + 1) / (n + 1)
        return Trust(
            trust=trust,
            conformity=None,
            confidence=None,
            threshold=threshold,
            accepted=trust >= threshold,
            false_reject=false_reject,
            reasons=() if trust >= threshold else (self._reason(text),),
            detector=DETECTOR,
            n_calibrating=self.match.pairs,
        )

    def _reason(self, text: str) -> str:
        letters = self.encoder.letters_per_piece([unframed(text)])
        return MISSPELT if letters[0] < READABLE else TOO_FAR


def uncaptioned_words(encoder: Encoder) -> UncaptionedWords | None:
    """What judges the words of a library without captions; None for an encoder that none was
    learned for. ModelUnavailableError where what ships is damaged."""
    if not isinstance(encoder, EmbeddedEncoder):
        return None
    match = match_for(encoder.identity, SHIPPED)
    return UncaptionedWords(match, encoder) if match else None
