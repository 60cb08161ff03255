"""The story of an evaluation: find the labelled images in a library, rank, report."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from indexer.file_content import UnreadableImageError
from retrieval.evaluation.blocks import (
    Block,
    UniqueContents,
    block_as_json,
    class_to_image,
    held_out_queries,
    image_to_image,
    image_to_text,
    text_to_image,
    unique_contents,
)
from retrieval.evaluation.datasets import CaptionDataset, ClassDataset, DatasetError
from retrieval.library import Library
from retrieval.pictures import hash_of_source
from retrieval.ranking.composition import image_query

TEXTS_PER_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an evaluation found."""

    blocks: dict[str, Block]
    """Direction of search -> metrics."""
    n_images: int
    """Distinct pictures of the dataset that were in the library."""
    missing: tuple[str, ...]
    """Images of the dataset that were not in the library; they count as not found."""
    encoder: str
    dataset: str

    def as_json(self) -> dict[str, Any]:
        """The blocks by their names, and what they were measured on."""
        said: dict[str, Any] = {name: block_as_json(block) for name, block in self.blocks.items()}
        return said | {
            "dataset": self.dataset,
            "encoder": self.encoder,
            "n_images": self.n_images,
            "n_missing": len(self.missing),
        }


@dataclass(frozen=True, kw_only=True)
class _Found:
    """The dataset's images as the library holds them, one row per distinct picture."""

    unique: UniqueContents
    """Rows of the dataset -> rows of `vectors`, among the images that were found."""
    rows: Int64[np.ndarray, "T"]
    """For each image of the dataset its place among the found ones, or -1."""
    vectors: Float32[np.ndarray, "N D"]
    hashes: list[str]

    def owners(self) -> Int64[np.ndarray, "T"]:
        """For each image of the dataset its row in `vectors`, or a negative number of its own."""
        missing = -1 - np.arange(len(self.rows))
        if not len(self.unique.content_of_row):
            return missing
        owners: Int64[np.ndarray, "T"] = np.where(
            self.rows >= 0, self.unique.content_of_row[np.maximum(self.rows, 0)], missing
        )
        return owners


def evaluate(
    library: Library, dataset: CaptionDataset | ClassDataset, *, name: str, seed: int = 0
) -> Report:
    """Measures a library on a labelled dataset, whose images should be indexed in it.

    Raises DatasetError if none of them is, LibraryNotFoundError for an empty library.
    """
    paths = [str(path) for path in dataset.images]
    found = _find(library, paths)
    missing = tuple(path for path, row in zip(paths, found.rows, strict=True) if row < 0)
    if len(missing) == len(paths):
        raise DatasetError(
            f"none of the {len(paths)} images of {name} is in the library {library.folder}: run"
            f" 'spectrum index {Path(paths[0]).parent}' with it first"
        )
    if isinstance(dataset, CaptionDataset):
        blocks = _caption_blocks(library, dataset, found, seed)
    else:
        blocks = _class_blocks(library, dataset, found, seed)
    return Report(
        blocks=blocks,
        n_images=len(found.vectors),
        missing=missing,
        encoder=library.space.identity.name,
        dataset=name,
    )


def _find(library: Library, paths: Sequence[str]) -> _Found:
    catalogue, space = library.catalogue, library.space
    ids = catalogue.ids_of_paths(paths)
    for path in paths:
        # The same file may have been indexed under another name: a link, another mount.
        if path not in ids and (id := _id_by_content(library, path)) is not None:
            ids[path] = id
    searchable = set(catalogue.searchable_ids(space.id).tolist())
    found = [path for path in paths if ids.get(path) in searchable]
    place = {path: row for row, path in enumerate(found)}
    hash_of = catalogue.hashes([ids[path] for path in found])
    hashes = [hash_of[ids[path]] for path in found]
    unique = unique_contents(hashes)
    first = [found[row] for row in unique.first_rows.tolist()]
    return _Found(
        unique=unique,
        rows=np.array([place.get(path, -1) for path in paths], dtype=np.int64),
        vectors=catalogue.vectors(np.array([ids[p] for p in first], dtype=np.int64), space),
        hashes=[hashes[row] for row in unique.first_rows.tolist()],
    )


def _id_by_content(library: Library, path: str) -> int | None:
    try:
        return library.catalogue.id_of_hash(hash_of_source(path))
    except UnreadableImageError:
        return None


def _caption_blocks(
    library: Library, dataset: CaptionDataset, found: _Found, seed: int
) -> dict[str, Block]:
    texts = [caption for captions in dataset.captions for caption in captions]
    counts = [len(captions) for captions in dataset.captions]
    owners = np.repeat(found.owners(), counts)
    text_vectors = encode_texts(library, texts)
    semantic = found.vectors[:, : library.space.identity.semantic_dimension]
    return {
        "text_to_image": text_to_image(semantic, text_vectors, owners, seed=seed),
        "image_to_text": image_to_text(semantic, text_vectors, owners, seed=seed),
    }


def _class_blocks(
    library: Library, dataset: ClassDataset, found: _Found, seed: int
) -> dict[str, Block]:
    width = library.space.identity.semantic_dimension
    labels_by_row = np.array(dataset.labels, dtype=np.int64)
    owners = found.owners()
    missing_labels = labels_by_row[owners < 0]
    labels = np.zeros(len(found.vectors), dtype=np.int64)
    labels[owners[owners >= 0]] = labels_by_row[owners >= 0]
    held_out = held_out_queries(found.hashes)
    weight = library.encoder.visual_weight
    queries = np.stack([image_query(f[:width], f[width:], weight) for f in found.vectors[held_out]])
    return {
        "image_to_image": image_to_image(
            queries,
            found.vectors[~held_out],
            labels[held_out],
            labels[~held_out],
            missing_labels=missing_labels,
            seed=seed,
        ),
        "class_to_image": class_to_image(
            encode_texts(library, dataset.queries),
            found.vectors[:, :width],
            labels,
            missing_labels=missing_labels,
            seed=seed,
        ),
    }


def encode_texts(library: Library, texts: Sequence[str]) -> Float32[np.ndarray, "Q S"]:
    """The texts' vectors, encoded a batch at a time."""
    batches = [
        library.encoder.encode_texts(texts[start : start + TEXTS_PER_BATCH])
        for start in range(0, len(texts), TEXTS_PER_BATCH)
    ]
    return np.concatenate(batches)
