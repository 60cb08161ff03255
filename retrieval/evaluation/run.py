"""The story of an evaluation: find the labelled images in a library, rank, report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from retrieval.evaluation.blocks import Block, block_as_json, block_of, held_out_queries
from retrieval.evaluation.compare import saved_queries
from retrieval.evaluation.datasets import CaptionDataset, ClassDataset, DatasetError
from retrieval.evaluation.directions import SHOWN, Ranked
from retrieval.evaluation.located import Located, locate
from retrieval.evaluation.qrels import QrelsDataset
from retrieval.evaluation.searches import (
    Item,
    Search,
    caption_searches,
    class_searches,
    qrels_searches,
)
from retrieval.evaluation.vectors import Questions, base_vectors, ranked_vectors, text_questions
from retrieval.library import Library
from retrieval.ranking.composition import image_query
from retrieval.ranking.neighbours import search_of
from retrieval.ranking.query_expansion import NEIGHBOURS, expanded_queries

Dataset = CaptionDataset | ClassDataset | QrelsDataset


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One direction of search as it was measured, with the names of what was asked and found."""

    queries: list[Item]
    items: list[Item]
    """Those that could not be read come last."""
    ranked: Ranked
    baseline: Ranked
    """With unrefined vectors."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found."""

    blocks: dict[str, Block]
    """Direction of search -> metrics."""
    baseline: dict[str, Block]
    """The same on unrefined vectors."""
    directions: dict[str, Direction]
    """What the metrics were computed from."""
    refined: bool
    """Whether search ranks by anything but the unrefined vectors."""
    n_images: int
    """Distinct pictures of the dataset that were in the library."""
    missing: tuple[str, ...]
    """Images of the dataset that were not in the library; they count as not found."""
    notes: tuple[str, ...]
    """What a reader should know of the dataset, a sentence each."""
    encoder: str
    dataset: str
    seed: int
    """Of the bootstrap."""

    def as_json(self) -> dict[str, Any]:
        """The blocks by their names, what they were measured on, and every query's values."""
        said: dict[str, Any] = {name: block_as_json(block) for name, block in self.blocks.items()}
        return said | {
            "baseline": {name: block_as_json(block) for name, block in self.baseline.items()},
            "dataset": self.dataset,
            "encoder": self.encoder,
            "n_images": self.n_images,
            "n_missing": len(self.missing),
            "notes": list(self.notes),
            "queries": {
                name: saved_queries([query.identity for query in of.queries], of.ranked)
                for name, of in self.directions.items()
            },
        }


def evaluate(
    library: Library, dataset: Dataset, *, name: str, seed: int = 0, depth: int = SHOWN
) -> Report:
    """Measures a library on a labelled dataset, whose images should be indexed in it.

    The best `depth` items of each query are kept. Raises DatasetError if no image is in the
    library, LibraryNotFoundError for an empty library.
    """
    found = locate(library, [str(path) for path in dataset.images])
    if not len(found.ids):
        raise DatasetError(
            f"none of the {len(found.paths)} images of {name} is in the library {library.folder}:"
            f" run 'spectrum index {Path(found.paths[0]).parent}' with it first"
        )
    searches = _searches(library, dataset, found)
    base = base_vectors(library, found.ids)
    refined = ranked_vectors(library, found.ids, held_out=_image_queries(dataset, found))
    directions = {}
    for direction, search in searches.items():
        baseline = search.rank(base, depth)
        directions[direction] = Direction(
            queries=search.queries,
            items=search.items,
            ranked=search.rank(refined, depth) if refined.refined else baseline,
            baseline=baseline,
        )
    blocks = {key: block_of(of.ranked, seed=seed) for key, of in directions.items()}
    return Report(
        blocks=blocks,
        baseline=blocks
        if not refined.refined
        else {key: block_of(of.baseline, seed=seed) for key, of in directions.items()},
        directions=directions,
        refined=refined.refined,
        n_images=len(found.ids),
        missing=found.missing,
        notes=tuple(_notes(dataset, found, str(library.folder))),
        encoder=library.space.identity.name,
        dataset=name,
        seed=seed,
    )


def _searches(library: Library, dataset: Dataset, found: Located) -> Mapping[str, Search]:
    width = library.space.identity.semantic_dimension

    def ask(texts: Any) -> Questions:
        return text_questions(library, texts)

    def queries(
        encoded: Float32[np.ndarray, "Q D"], refined: Float32[np.ndarray, "N D"] | None
    ) -> Float32[np.ndarray, "Q D"]:
        weight = library.encoder.visual_weight
        asked = np.stack([image_query(row[:width], row[width:], weight) for row in encoded])
        if refined is None or not len(refined):
            return asked
        found = search_of(refined)(asked, NEIGHBOURS)
        return expanded_queries(asked, found, semantic=width)

    if isinstance(dataset, CaptionDataset):
        return caption_searches(dataset, found, ask)
    if isinstance(dataset, QrelsDataset):
        return qrels_searches(dataset, found, ask)
    return class_searches(dataset, found, ask, queries)


def _image_queries(dataset: Dataset, found: Located) -> Any:
    """The pictures that are asked with, which nothing may have learned from; None if none is."""
    if isinstance(dataset, ClassDataset):
        return found.ids[held_out_queries(found.hashes)]
    return None


def _notes(dataset: Dataset, found: Located, library: str) -> list[str]:
    """What was skipped or counted otherwise than one would think."""
    notes = []
    if found.missing:
        notes.append(
            f"{len(found.missing):,} images of the dataset are not in the library {library} and"
            f" count as not found, the first: {found.missing[0]}"
        )
    n_copies = len(set(dataset.images)) - len(found.paths)
    if n_copies:
        notes.append(f"{n_copies:,} images have the very content of others and count once")
    if not isinstance(dataset, ClassDataset) and dataset.n_repeated:
        notes.append(f"{dataset.n_repeated:,} labels repeat others word for word and count once")
    if isinstance(dataset, CaptionDataset) and dataset.n_without_captions:
        notes.append(f"{dataset.n_without_captions:,} images have no caption and were left out")
    if isinstance(dataset, ClassDataset) and dataset.n_empty_folders:
        notes.append(f"{dataset.n_empty_folders:,} folders hold no image and are no class")
    return notes
