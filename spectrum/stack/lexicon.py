"""What words look like: the words of a text as one direction among stored vectors."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from spectrum.encoders.framing import unframed
from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack.sentence_probe import SentenceProbe
from spectrum.stack.weight_names import (
    LEXICON,
    LEXICON_BASIS,
    LEXICON_ROWS,
    METADATA,
    PROBE_WEIGHTS,
    SCALES,
)

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """The different words of a text in order: runs of letters and digits, case folded.

    Without "a photo of" and its like at the beginning, which says nothing of what is to be seen.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return list(dict.fromkeys(_WORD.findall(unframed(folded))))


def word_counts(captions: Sequence[Sequence[str]]) -> Counter[str]:
    """Word -> how many of the images' captions have it."""
    return Counter(word for own in captions for text in own for word in words_of(text))


@dataclass(frozen=True)
class Lexicon:
    r"""A direction among stored vectors F = [semantic; visual] for each word that was learned.

        u(x) = lambda c(x) U(x) / |U(x)|,    U(x) = sum_{w in x} r_w B
        c(x) = sum_{known w in x} |r_w B| / sum_{w in x} |r_w B|

        here     shape   meaning
        rows     W R     r_w: how much a word tells is its length
        basis    R D     B, shared by all words
        share    –       lambda, of words beside the sentence; >= 0

    An unknown word has the mean length of the known ones in c: a text of which little is known
    asks by its sentence. A text asks with q = [t; 0] + u: its sentence asks the semantic block, its
    words ask both. This is 5.2b with two levels of text, F_final = sum_l lambda_l F^l, on the
    query's side, so that nothing is stored for it. Departure from reading 4: what a text finds
    depends on the visual block too; at lambda = 0 it does not.
    """

    words: tuple[str, ...]
    rows: Float32[np.ndarray, "W R"]
    basis: Float32[np.ndarray, "R D"]
    share: float
    probe: SentenceProbe | None = None
    """Tells sentences from words by themselves; without it all texts are sentences."""

    @classmethod
    def of(
        cls,
        said: Mapping[str, Any],
        rows: Float32[np.ndarray, "W R"],
        basis: Float32[np.ndarray, "R D"],
        weights: Float32[np.ndarray, " S"] | None,
    ) -> "Lexicon":
        """From what a file says of it. ValueError where words and rows are not as many."""
        words = tuple(str(word) for word in said["words"])
        if len(words) != len(rows):
            raise ValueError(f"a lexicon of {len(words)} words has {len(rows)} rows")
        probe = None if weights is None else SentenceProbe(weights, float(said["offset"]))
        return cls(words, rows, basis, float(said["share"]), probe)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    @cached_property
    def _lengths(self) -> Float32[np.ndarray, " W"]:
        lengths: Float32[np.ndarray, " W"] = np.linalg.norm(self.rows @ self.basis, axis=1)
        return lengths

    def readings(self, texts: Sequence[str]) -> Float32[np.ndarray, "B D"]:
        """u of each text: at most `share` long, and 0 where no word is known."""
        made: Float32[np.ndarray, "B D"] = self.coefficients(texts) @ self.basis
        return made

    def coefficients(self, texts: Sequence[str]) -> Float32[np.ndarray, "B R"]:
        """What the basis is multiplied with to give `readings`: the narrower form to store."""
        made = np.zeros((len(texts), self.rows.shape[1]), dtype=np.float32)
        for reading, text in zip(made, texts, strict=True):
            words = words_of(text)
            known = [self._places[word] for word in words if word in self._places]
            summed = self.rows[known].sum(axis=0)
            length = float(np.linalg.norm(summed @ self.basis))
            if length > 0:
                told = self._lengths[known].sum()
                unknown = (len(words) - len(known)) * self._lengths.mean()
                reading[:] = self.share * told / (told + unknown) / length * summed
        return made


def text_questions(
    lexicon: Lexicon | None,
    texts: Sequence[str],
    sentences: Float32[np.ndarray, "B S"],
    width: int,
) -> Float32[np.ndarray, "B _"]:
    """[[t; 0] + u; a; 1 - a]: what texts ask rows [F; -h] with, F of `width` numbers.

    u is what their words add, and a how much of a sentence each is: without a lexicon 0, and 1.
    """
    asked = np.pad(sentences, ((0, 0), (0, width - sentences.shape[1])))
    shares = np.tile(np.array([1, 0], dtype=np.float32), (len(asked), 1))
    if lexicon is not None:
        asked = asked + lexicon.readings(texts)
        shares = shares if lexicon.probe is None else lexicon.probe.shares(sentences)
    return np.concatenate([asked, shares], axis=1)


def load_lexicon(path: Path) -> Lexicon | None:
    """The lexicon in a stack's file; None where it holds none. Imports no torch.

    Raises ModelUnavailableError for a file that is absent or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as opened:
            said = json.loads((opened.metadata() or {})[METADATA]).get(LEXICON)
            if said is None:
                return None
            present = set(opened.keys())
            rows, basis = (
                opened.get_tensor(name).astype(np.float32)
                * (opened.get_tensor(name + SCALES) if name + SCALES in present else np.float32(1))
                for name in (LEXICON_ROWS, LEXICON_BASIS)
            )
            weights = opened.get_tensor(PROBE_WEIGHTS) if PROBE_WEIGHTS in present else None
        return Lexicon.of(said, rows, basis, weights)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        why = str(error).splitlines()[0]
        raise ModelUnavailableError(
            f"{path}: not a readable stack ({why}); train it again with 'spectrum train'"
        ) from error
