"""Large libraries without pictures: rows as `spectrum index` would have written them.

Vectors are isotropic, or like a real collection's. Of the latter the semantic and the visual block
have the variances that 7,091 photographs of Flickr8k have in the embedded encoder's space, rank by
rank, and the nearest of such a library are about as near as those of the photographs: pictures
belong to scenes, 17 to each, and scenes to 50 topics. In a real library that grows, scenes fill up
and neighbours come nearer; here they do not, which makes the search for them no easier.
"""

from collections.abc import Callable, Sequence

import numpy as np
from sqlalchemy import insert

from indexer.records import SpaceRow
from indexer.rows import grow, now
from indexer.schema import Content, Evidence, Location, StoredVector
from retrieval import Library
from spectrum.encoders.protocol import EncodedImages, EncoderIdentity, Pixels

SEMANTIC, VISUAL = 400, 504
"""Widths of the embedded encoder's blocks."""

PER_TRANSACTION = 2_000
TOPICS = 50
PER_SCENE = 17

Row = dict[str, object]


class RandomEncoder:
    """Words are seeds."""

    side_pixels = 8
    visual_weight = 0.5
    identity = EncoderIdentity(
        name="random",
        weights_hash="0" * 32,
        preprocessing="none",
        semantic_dimension=SEMANTIC,
        visual_dimension=VISUAL,
        licence="Apache-2.0",
    )

    def prepare(self, image: np.ndarray) -> Pixels:
        raise NotImplementedError

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        raise NotImplementedError

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.random.default_rng(int(text)).normal(size=SEMANTIC) for text in texts]
        return np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32)


def isotropic(first: int, n: int) -> np.ndarray:
    """Vectors [s; v] that point anywhere: the worst case of every search that prunes."""
    vectors = np.random.default_rng(first).standard_normal((n, SEMANTIC + VISUAL), np.float32)
    return _unit_blocks(vectors)


class Photographs:
    """Vectors [s; v] of scenes, as the module's docstring says."""

    def __init__(self, n: int) -> None:
        """Of a library of `n` pictures."""
        rng = np.random.default_rng(0)
        self._deviations = np.concatenate([_deviations(*block) for block in BLOCKS])
        self._scenes = max(1, n // PER_SCENE)
        topics = rng.standard_normal((TOPICS, SEMANTIC + VISUAL), np.float32)
        scenes = rng.standard_normal((self._scenes, SEMANTIC + VISUAL), np.float32)
        of_topic = rng.integers(TOPICS, size=self._scenes)
        shares = [_per_dimension(OF_TOPIC), _per_dimension(OF_SCENE)]
        self._centres = np.sqrt(shares[0]) * topics[of_topic] + np.sqrt(shares[1]) * scenes
        self._own = np.sqrt(1 - shares[0] - shares[1])

    def __call__(self, first: int, n: int) -> np.ndarray:
        """Those of `n` pictures from number `first` on."""
        rng = np.random.default_rng([1, first])
        own = self._own * rng.standard_normal((n, SEMANTIC + VISUAL), np.float32)
        vectors = (self._centres[rng.integers(self._scenes, size=n)] + own) * self._deviations
        for start, share in ((0, MEAN[0]), (SEMANTIC, MEAN[1])):
            # A direction that all have in common, as pictures do.
            vectors[:, start] += np.float32(np.sqrt(share / (1 - share)))
        return _unit_blocks(vectors)


MEAN = 0.074, 0.081
"""Squared length of the mean of the semantic and of the visual block, as below."""
OF_TOPIC = 0.25, 0.1
"""Shares of a block's variance that are the topic's."""
OF_SCENE = 0.3, 0.2
BLOCKS = (
    (SEMANTIC, {
        0: 0.11, 1: 0.074, 3: 0.05, 7: 0.029, 15: 0.016, 31: 0.0064, 63: 0.0023, 127: 0.0006,
        191: 2.3e-4, 255: 1.1e-4, 399: 2.8e-5,
    }),
    (VISUAL, {
        0: 0.014, 7: 0.008, 31: 0.0053, 100: 0.0039, 191: 0.003, 200: 0.0024, 243: 0.0021,
        249: 4.7e-4, 260: 3.5e-4, 300: 1.8e-4, 400: 2.6e-5, 503: 1.4e-6,
    }),
)  # fmt: skip
"""Width, and rank -> share of the variance; between them as a straight line of its logarithm."""


def _deviations(width: int, variances: dict[int, float]) -> np.ndarray:
    logarithms = np.log(list(variances.values()))
    shares = np.exp(np.interp(np.arange(width), list(variances), logarithms))
    return np.sqrt(shares / shares.sum()).astype(np.float32)


def _per_dimension(shares: tuple[float, float]) -> np.ndarray:
    return np.repeat(np.float32(shares), (SEMANTIC, VISUAL))


def _unit_blocks(vectors: np.ndarray) -> np.ndarray:
    for block in (vectors[:, :SEMANTIC], vectors[:, SEMANTIC:]):
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return np.ascontiguousarray(vectors, dtype=np.float32)


# Rows --------------------------------------------------------------------------------------------


def plain_content(i: int) -> Row:
    """Of picture i."""
    size = {"width": 640, "height": 480, "format": "JPEG"}
    look = int(np.random.default_rng(i).integers(-(2**63), 2**63 - 1))
    told = {"hash": f"{i:032x}", "added_at": now(), "difference_hash": look}
    return {"id": i + 1, **told, **size}


def plain_location(i: int) -> Row:
    """Of picture i."""
    named = {"path": f"/photos/{i:08}.jpg", "folder": "/photos/", "name": f"{i:08}.jpg"}
    seen = {"size_bytes": 1, "mtime_ns": 1, "state": "present", "changed_at": now()}
    return {**named, **seen, "content_id": i + 1}


def fill(
    library: Library,
    identity: EncoderIdentity,
    first: int,
    n: int,
    vectors: Callable[[int, int], np.ndarray],
    *,
    stack: str = "",
    content: Callable[[int], Row] = plain_content,
    location: Callable[[int], Row] = plain_location,
) -> None:
    """Adds pictures from number `first` on, as if `stack` had seen them if there is one."""
    space = library.catalogue.space() or library.catalogue.add_space(identity)
    for start in range(first, first + n, PER_TRANSACTION):
        numbers = range(start, min(start + PER_TRANSACTION, first + n))
        made = vectors(start, len(numbers))
        with library.catalogue.writing() as session:
            session.execute(insert(Content), [content(i) for i in numbers])
            session.execute(insert(Location), [location(i) for i in numbers])
            session.execute(insert(StoredVector), _base_rows(space, numbers, made))
            if stack:
                session.execute(insert(Evidence), _evidence_rows(space, numbers, made, stack))
            grow(session, space.id)


def _base_rows(space: SpaceRow, numbers: Sequence[int], vectors: np.ndarray) -> list[Row]:
    return [
        {"space_id": space.id, "content_id": i + 1, "base": row.astype("<f4").tobytes()}
        for i, row in zip(numbers, vectors, strict=True)
    ]


def _evidence_rows(
    space: SpaceRow, numbers: Sequence[int], vectors: np.ndarray, stack: str
) -> list[Row]:
    """Local vectors are the base vectors, and prompts their semantic blocks."""
    shift = np.zeros(SEMANTIC, dtype="<f2").tobytes()
    said = {"space_id": space.id, "stack": stack, "shift": shift}
    return [
        {**said, "content_id": i + 1, "prompt": row[:SEMANTIC].astype("<f2").tobytes()}
        for i, row in zip(numbers, vectors, strict=True)
    ]
