"""How similar to a text a picture is that it describes: what the encoder lets expect of any text.

Some texts lie near every picture and some far from all, whatever the pictures show: the best cosine
of a bare verb is another one than a sentence's. Held against what its own text lets expect, a best
cosine says whether a library has anything for it, without one caption of that library.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from spectrum.encoders.framing import with_article
from spectrum.encoders.protocol import EncoderIdentity, ModelUnavailableError

FILE = "expected_match.safetensors"
LONGEST_PHRASE = 4
"""Words up to which a text counts as a phrase; longer ones are sentences."""
SMALLEST_LIBRARY = 100
"""Pictures among which the levels were taken."""
RISE = 0.01
"""Cosine by which the best of e times as many pictures is better: half of what is measured among
pictures that are like one another, since unlike ones add less (docs/rejection.md)."""
READABLE = 1.6
"""Letters per piece below which a word is spelled like none that the encoder knows."""
ODDITY = 0.5
"""Cosine that each letter per piece below that costs."""
ARTICLES = frozenset({"a", "an", "the"})
DETERMINERS = frozenset(
    {"this", "that", "one", "two", "three", "four", "five", "some", "many", "my", "his", "her"}
)
"""What a phrase may begin with in the place of an article."""
WEIGHTS, LEVELS = "weights", "levels_"
ENCODER, PAIRS = "encoder", "pairs"


def asked_forms(text: str) -> tuple[str, ...]:
    """A phrase without its article and with it, "walrus" and "a walrus"; other texts alone.

    An encoder trained on sentences hears two things there, and a user means one.
    """
    words = text.split()
    bare = words[1:] if words and words[0].lower() in ARTICLES else words
    if not bare or len(words) > LONGEST_PHRASE or bare[0].lower() in DETERMINERS:
        return (text,)
    name = " ".join(bare)
    return name, with_article(name)


def over_forms(
    values: Float32[np.ndarray, " F"], texts: Sequence[str]
) -> Float32[np.ndarray, " T"]:
    """Means over each text's `asked_forms`, of which there is a value each, in a row."""
    counts = np.array([len(asked_forms(text)) for text in texts], dtype=np.int64)
    if not len(counts):
        return values[:0]
    starts = np.cumsum(counts) - counts
    return np.asarray(np.add.reduceat(values, starts) / counts, dtype=np.float32)


def surplus(
    best: Float32[np.ndarray, " T"],
    expected: Float32[np.ndarray, " T"],
    letters_per_piece: Float32[np.ndarray, " T"],
    n_pictures: int,
) -> Float64[np.ndarray, " T"]:
    r"""By how much the best picture for a text is better than one that the text describes.

        s(t) = mean_f (max_i f . x_i - e(f)) - rho ln(max(N, N_0) / N_0) - kappa max(0, l_0 - l(t))

        symbol   name               shape, unit
        f        –                  asked_forms of the text
        max f.x  best               T, cosine to the most similar of N pictures, mean over forms
        e(f)     expected           T, cosine, mean over forms
        l(t)     letters_per_piece  T, letters; of the word that is broken up most, > 0
        N        n_pictures         –, >= 1
        N_0      SMALLEST_LIBRARY   –
        rho      RISE               cosine
        l_0      READABLE           letters
        kappa    ODDITY             cosine per letter

    Spectrum's own; no source has it.
    """
    chance = RISE * math.log(max(n_pictures, SMALLEST_LIBRARY) / SMALLEST_LIBRARY)
    odd = ODDITY * np.maximum(0.0, READABLE - letters_per_piece.astype(np.float64))
    return np.asarray(best.astype(np.float64) - expected - chance - odd)


@dataclass(frozen=True)
class ExpectedMatch:
    r"""The cosine to expect of a text and its picture, and how far good queries fall below it.

    e(t) = w . [t; 1]

    symbol   name      shape, unit
    t        vectors   T S, unit length
    w        weights   S + 1, cosine; its last number is the offset
    """

    encoder: str
    """Fingerprint of the encoder that it holds for."""
    weights: Float32[np.ndarray, " W"]
    levels: Mapping[str, Float32[np.ndarray, " L"]]
    """Of a "sentence" and of a "phrase", ascending: of good queries of any kind, at most the share
    k / (L + 1) has a surplus below the k-th."""
    pairs: int
    """Texts with a picture of their own that the levels were taken from, of the kind that had
    fewest."""

    def expected(self, vectors: Float32[np.ndarray, "T S"]) -> Float32[np.ndarray, " T"]:
        """e(t) of each text."""
        return np.asarray(vectors @ self.weights[:-1] + self.weights[-1], dtype=np.float32)


def match_for(identity: EncoderIdentity, folder: Path) -> ExpectedMatch | None:
    """What `folder` holds for that encoder; None where that is nothing, or of another encoder.

    Raises ModelUnavailableError where the file is damaged.
    """
    match = expected_match(folder)
    return match if match and match.encoder == identity.fingerprint else None


def expected_match(folder: Path) -> ExpectedMatch | None:
    """Read from a folder of weights; None where there is none.

    Raises ModelUnavailableError where the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="np") as opened:
            said = opened.metadata() or {}
            names = opened.keys()
            arrays = {name: opened.get_tensor(name).astype(np.float32) for name in names}
        levels = {
            name.removeprefix(LEVELS): value
            for name, value in arrays.items()
            if name.startswith(LEVELS)
        }
        return ExpectedMatch(said[ENCODER], arrays[WEIGHTS], levels, int(said[PAIRS]))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise ModelUnavailableError(
            f"{path}: not what ships with Spectrum ({why}); install it again"
        ) from error


def written_match(match: ExpectedMatch) -> bytes:
    """What `expected_match` reads, in half precision."""
    from safetensors.numpy import save

    levels = {LEVELS + form: value.astype(np.float16) for form, value in match.levels.items()}
    said = {ENCODER: match.encoder, PAIRS: str(match.pairs)}
    content: bytes = save({WEIGHTS: match.weights.astype(np.float16), **levels}, said)
    return content
