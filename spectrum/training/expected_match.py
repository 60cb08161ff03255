"""Learns what cosine to expect of a text and its picture: `spectrum/encoders/expected_match.py`.

    python -m spectrum.training.expected_match --shared ../shared

Expectations are learned from Flickr8k's train photographs and half of ImageNet's names; levels are
taken from others: every other dev photograph, and the other half of the names. The rest of the dev
photographs is left to measure with.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.encoders.expected_match import (
    FILE,
    LONGEST_PHRASE,
    SMALLEST_LIBRARY,
    ExpectedMatch,
    asked_forms,
    over_forms,
    surplus,
    written_match,
)
from spectrum.training.measurement import encoded
from spectrum.training.photographs import Photograph, captioned
from spectrum.training.sentences import plain
from spectrum.training.text_noise import STOP_WORDS

logger = logging.getLogger(__name__)

RIDGE = 3.0
"""What a squared weight costs, beside one squared error a pair."""
LEVELS = 99


class Pairs(NamedTuple):
    """Texts, each with the row of the photograph that it describes."""

    texts: list[str]
    rows: list[int]


def caption_pairs(
    captions: Sequence[Sequence[str]], random: np.random.Generator
) -> dict[str, Pairs]:
    """The photographs' sentences, single words of them, and neighbouring pairs of words."""
    kinds = {kind: Pairs([], []) for kind in ("sentence", "word", "pair")}

    def add(kind: str, text: str, row: int) -> None:
        kinds[kind].texts.append(text)
        kinds[kind].rows.append(row)

    for row, own in enumerate(captions):
        for text in own:
            words = [word.strip(".,!?;:\"'").lower() for word in text.split()]
            if len(words) > LONGEST_PHRASE:
                add("sentence", plain(text), row)
        said = [word for word in words if word and word not in STOP_WORDS]
        if said:
            add("word", str(random.choice(said)), row)
        if len(said) > 1:
            start = int(random.integers(len(said) - 1))
            add("pair", " ".join(said[start : start + 2]), row)
    return kinds


def fitted_weights(
    texts: Float32[np.ndarray, "T S"], cosines: Float32[np.ndarray, " T"]
) -> Float32[np.ndarray, " W"]:
    r"""Ridge regression of the cosine to the text's own photograph on the text's vector.

    w = argmin sum_t (w . [t; 1] - c_t)^2 + RIDGE |w_{1..S}|^2; the offset costs nothing.
    """
    rows = np.concatenate([texts, np.ones((len(texts), 1))], axis=1).astype(np.float64)
    penalty = RIDGE * np.eye(rows.shape[1])
    penalty[-1, -1] = 0.0
    solved = np.linalg.solve(rows.T @ rows + penalty, rows.T @ cosines.astype(np.float64))
    return np.asarray(solved, dtype=np.float32)


def best_cosines(
    texts: Float32[np.ndarray, "T S"], rows: Sequence[int], photographs: Float32[np.ndarray, "N S"]
) -> Float32[np.ndarray, " T"]:
    """Each text's best among SMALLEST_LIBRARY photographs in a row, its own the first of them."""
    size = min(SMALLEST_LIBRARY, len(photographs))
    others = (np.array(rows)[:, None] + np.arange(size)) % len(photographs)
    found = [(photographs[some] @ text).max() for text, some in zip(texts, others, strict=True)]
    return np.array(found, dtype=np.float32)


def lowest_levels(surpluses: Sequence[Float64[np.ndarray, " _"]]) -> Float64[np.ndarray, " L"]:
    r"""Levels that keep the promise for each of several kinds of queries.

    level_k = min over kinds of s_(floor(k (n + 1) / (L + 1))), an order statistic of n surpluses,

    which is split-conformal prediction for the kind that falls lowest, and refuses fewer of the
    others. Raises ValueError where a kind has fewer than L surpluses.
    """
    if min(map(len, surpluses)) < LEVELS:
        raise ValueError(f"{min(map(len, surpluses))} pairs of a kind, at least {LEVELS} needed")
    rates = np.arange(1, LEVELS + 1)
    ordered = [
        np.sort(some)[rates * (len(some) + 1) // (LEVELS + 1) - 1].astype(np.float64)
        for some in surpluses
    ]
    return np.asarray(np.min(ordered, axis=0))


class Told(NamedTuple):
    """Photographs as vectors, and texts of some kinds that describe them."""

    photographs: Float32[np.ndarray, "N S"]
    kinds: Mapping[str, Pairs]


def learned_match(
    encoder: EmbeddedEncoder, teaching: Sequence[Told], calibrating: Sequence[Told]
) -> ExpectedMatch:
    """Expectations from some photographs and texts, levels from others."""
    asked = [(told, formed(pairs)) for told in teaching for pairs in told.kinds.values()]
    vectors = [encoder.encode_texts(pairs.texts) for _, pairs in asked]
    cosines = [
        np.einsum("ts,ts->t", texts, told.photographs[pairs.rows])
        for texts, (told, pairs) in zip(vectors, asked, strict=True)
    ]
    weights = fitted_weights(np.concatenate(vectors), np.concatenate(cosines))
    match = ExpectedMatch(encoder.identity.fingerprint, weights, {}, 0)
    found = surpluses(encoder, match, calibrating)
    levels = {form: lowest_levels(some).astype(np.float32) for form, some in found.items()}
    return replace(match, levels=levels, pairs=min(map(len, chain(*found.values()))))


def formed(pairs: Pairs) -> Pairs:
    """The texts in all forms that they are asked in."""
    both = [(form, row) for text, row in zip(*pairs, strict=True) for form in asked_forms(text)]
    return Pairs([form for form, _ in both], [row for _, row in both])


def surpluses(
    encoder: EmbeddedEncoder, match: ExpectedMatch, calibrating: Sequence[Told]
) -> dict[str, list[Float64[np.ndarray, " _"]]]:
    """Of each kind of texts, by the form that the kind has."""
    found: dict[str, list[Float64[np.ndarray, " _"]]] = {"sentence": [], "phrase": []}
    for told in calibrating:
        for kind, pairs in told.kinds.items():
            forms = formed(pairs)
            texts = encoder.encode_texts(forms.texts)
            best = best_cosines(texts, forms.rows, told.photographs)
            some = surplus(
                over_forms(best, pairs.texts),
                over_forms(match.expected(texts), pairs.texts),
                encoder.letters_per_piece(pairs.texts),
                SMALLEST_LIBRARY,
            )
            found["sentence" if kind == "sentence" else "phrase"].append(some)
            logger.info("%s: %d, at 5 %% %.3f", kind, len(some), np.quantile(some, 0.05))
    return found


def captions_told(
    encoder: EmbeddedEncoder, photographs: Sequence[Photograph], random: np.random.Generator
) -> Told:
    """Captioned photographs and what is said of them."""
    kinds = caption_pairs([photograph.captions for photograph in photographs], random)
    return Told(encoded(encoder, photographs).semantic, kinds)


def halves(paths: Sequence[Path], seed: int = 0) -> tuple[list[Path], list[Path]]:
    """The paths in two parts, by dice: one teaches, the other gives levels."""
    mixed = [paths[place] for place in np.random.default_rng(seed).permutation(len(paths)).tolist()]
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def name_of(path: Path) -> str:
    """What a file's name says that it shows: "tench" for `n01440764_tench.jpg`."""
    return path.stem.partition("_")[2].replace("_", " ").lower()


def names_told(encoder: EmbeddedEncoder, paths: Sequence[Path]) -> Told:
    """Photographs whose file names say what they show."""
    names = list(map(name_of, paths))
    photographs = [Photograph(path=path) for path in paths]
    return Told(
        encoded(encoder, photographs).semantic, {"name": Pairs(names, list(range(len(names))))}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Learns what cosine to expect of a text.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    random = np.random.default_rng(chosen.seed)
    encoder = EmbeddedEncoder(None if chosen.weights == SHIPPED else str(chosen.weights))
    flickr = chosen.shared / "data/flickr8k"
    taught, calibrating = halves(
        sorted((chosen.shared / "data/imagenet_1k_sample").glob("*.jpg")), chosen.seed
    )
    match = learned_match(
        encoder,
        [
            captions_told(encoder, captioned(flickr, "train"), random),
            names_told(encoder, taught),
        ],
        [
            captions_told(encoder, captioned(flickr, "dev")[::2], random),
            names_told(encoder, calibrating),
        ],
    )
    content = written_match(match)
    (chosen.weights / FILE).write_bytes(content)
    logger.info("%s: %d bytes", chosen.weights / FILE, len(content))


if __name__ == "__main__":
    main()
