"""All detectors, fitted to a library, on the user's own known and unknown queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Float64

from retrieval.rejection.calibration import CalibrationError, require_rate
from retrieval.rejection.contest import (
    Contestant,
    contestant,
    detector_names,
    levelled,
    require_different,
    scored,
)
from retrieval.rejection.distorted_pictures import distorted_vectors
from retrieval.rejection.fitting import Sizes
from retrieval.rejection.gate import Head, group_of
from retrieval.rejection.image_fitting import image_head
from retrieval.rejection.known_texts import Say, caption_source, known_texts
from retrieval.rejection.library_gate import block_widths, query_scale
from retrieval.rejection.query_sets import read_queries
from retrieval.rejection.text_fitting import KnownTexts, text_evidence, text_head
from retrieval.rejection.uncaptioned import DETECTOR, UncaptionedWords, uncaptioned_words
from retrieval.trust import framework_detectors

if TYPE_CHECKING:
    from retrieval.library import Library


@dataclass(frozen=True, kw_only=True)
class _Contest:
    """What the detectors are asked, and how."""

    known: Sequence[str]
    unknown: Mapping[str, Sequence[str]]
    false_reject: float
    names: Sequence[str]
    sizes: Sizes | None
    say: Say


def compared(
    library: "Library",
    known: Path,
    unknown: Sequence[Path],
    *,
    split: str | None = None,
    false_reject: float = 0.05,
    names: Sequence[str] = (),
    sizes: Sizes | None = None,
    say: Say = lambda _: None,
) -> list[Contestant]:
    """Every detector, fitted to the library, on the user's own known and unknown queries.

    Texts are judged by what other photographs' captions let expect too, and by that alone where the
    library was not calibrated with captions.

    Raises CalibrationError for sets that cannot be told apart or are of two kinds, and for texts
    where there are no captions and the encoder has none of others either.
    """
    require_rate(false_reject)
    asked = read_queries(known, split)
    others = {path.name: read_queries(path, None) for path in unknown}
    kinds = {asked.kind, *(other.kind for other in others.values())}
    if len(kinds) > 1:
        raise CalibrationError("known and unknown queries must all be texts, or all be images")
    queries = {name: other.queries for name, other in others.items()}
    require_different(asked.queries, queries)
    contest = _Contest(
        known=asked.queries,
        unknown=queries,
        false_reject=false_reject,
        names=names,
        sizes=sizes,
        say=say,
    )
    if asked.kind == "text":
        return _compared_texts(library, contest)
    return _compared_images(library, contest)


def _compared_texts(library: "Library", contest: _Contest) -> list[Contestant]:
    space = library.space
    ids = library.catalogue.searchable_ids(space.id)
    vectors = library.catalogue.vectors(ids, space)[:, : space.identity.semantic_dimension]
    vectors = np.ascontiguousarray(vectors)
    source = caption_source(library, None, None, contest.say)
    words = uncaptioned_words(library.encoder)
    named = not contest.names or DETECTOR in contest.names
    found = [_uncaptioned(words, contest, vectors)] if words and named else []
    if source is None and (words is None or not named):
        raise CalibrationError(
            "text queries need captions of this library: run 'spectrum calibrate --captions FILE'"
        )
    if source is None:
        return found
    texts = known_texts(library, source, ids, contest.say)
    return [*found, *_captioned(library, contest, texts, vectors)]


def _uncaptioned(
    words: UncaptionedWords, contest: _Contest, pictures: Float32[np.ndarray, "N S"]
) -> Contestant:
    """What judges where there are no captions; it is not fitted."""

    def scores(texts: Sequence[str]) -> Float64[np.ndarray, " Q"]:
        groups = np.array(list(map(group_of, texts)))
        surpluses = words.scores(texts, pictures, len(pictures))
        return levelled(surpluses, words.levels, groups, contest.false_reject)

    unknown = {name: scores(texts) for name, texts in contest.unknown.items()}
    return scored(DETECTOR, scores(contest.known), unknown)


def _captioned(
    library: "Library",
    contest: _Contest,
    texts: KnownTexts,
    vectors: Float32[np.ndarray, "N S"],
) -> list[Contestant]:
    """What learns from captions."""
    contest.say(f"fitting to {len(texts.texts):,} captions")
    encode = library.encoder.encode_texts
    evidence = text_evidence(
        texts,
        vectors,
        encode,
        false_reject=contest.false_reject,
        sizes=contest.sizes,
    )
    asked = {"": contest.known, **contest.unknown}
    samples = {
        name: evidence.head.of_texts(list(queries), encode) for name, queries in asked.items()
    }
    groups = {name: np.array(list(map(group_of, queries))) for name, queries in asked.items()}
    known, mine = samples.pop(""), groups.pop("")
    found = []
    for name in contest.names or detector_names("text", evidence.head.columns):
        if name == DETECTOR:
            continue
        contest.say(name)
        head = text_head(evidence, name, framework_detectors())
        found.append(contestant(head, known, samples, contest.false_reject, (mine, groups)))
    return found


def _compared_images(library: "Library", contest: _Contest) -> list[Contestant]:
    space = library.space
    ids = library.catalogue.searchable_ids(space.id)
    vectors = library.catalogue.vectors(ids, space)
    sizes = contest.sizes or Sizes()
    spoilt = distorted_vectors(library, ids, sizes.distorted, 0, contest.say)
    widths = block_widths(space.identity)
    scale = query_scale(widths, library.encoder.visual_weight)
    encoded = {
        name: _image_vectors(library, paths)
        for name, paths in {"": contest.known, **contest.unknown}.items()
    }

    def fitted(name: str) -> Head:
        return image_head(
            vectors,
            widths,
            scale,
            name,
            framework_detectors(),
            false_reject=contest.false_reject,
            distorted=spoilt,
            sizes=sizes,
        )

    first = fitted("max-cosine")
    known = first.sample(encoded.pop(""))
    samples = {name: first.sample(each) for name, each in encoded.items()}
    found = []
    for name in contest.names or detector_names("image", first.columns):
        contest.say(name)
        found.append(contestant(fitted(name), known, samples, contest.false_reject))
    return found


def _image_vectors(library: "Library", paths: Sequence[str]) -> Float32[np.ndarray, "Q D"]:
    from retrieval.pictures import rgb_of_source

    encoder, found = library.encoder, []
    for start in range(0, len(paths), 64):
        pixels = [
            encoder.prepare(rgb_of_source(path, encoder.side_pixels))
            for path in paths[start : start + 64]
        ]
        images = encoder.encode_images(pixels)
        found.append(np.concatenate([images.semantic, images.visual], axis=1))
    return np.concatenate(found)
