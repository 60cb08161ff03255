"""FAISS as a cache of the database's vectors: exact inner product, rebuilt on any doubt.

On disk: `vectors-GENERATION.faiss`, and `manifest.json`, which names it and is replaced last. A
reader therefore sees the old pair or the new one, whenever the writer was killed.
"""

import json
import os
import time
import uuid
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import faiss
import numpy as np
from jaxtyping import Float32, Int64

from indexer.vectors.protocol import Capabilities, Neighbours
from indexer.vectors.single_query import SingleQuery

MANIFEST_VERSION = 1

BLOCK_BYTES = 1 << 20
"""Read and written at once."""

LEFTOVER_SECONDS = 3600
"""A temporary file of this age is a killed publisher's, not one that is being written."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What has to hold for a cache file to be believed."""

    version: int
    generation: int
    count: int
    dimension: int
    fingerprint: str
    """Of the space whose vectors these are."""
    file: str
    file_bytes: int
    file_crc32: int
    """FAISS trusts the lengths that a file claims, so a damaged one may not get as far as FAISS."""


class FaissStore:
    """A flat index with the contents' ids. See `indexer.vectors.protocol.VectorStore`."""

    capabilities = Capabilities(exact=True, persistent=True)

    def __init__(self, folder: Path, *, dimension: int, fingerprint: str) -> None:
        """Opens the cache in `folder` if it can be believed, and starts empty otherwise."""
        self._folder = folder
        self._dimension = dimension
        self._fingerprint = fingerprint
        self._generation = -1
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._single = SingleQuery()
        self._order: tuple[Int64[np.ndarray, "N"], Int64[np.ndarray, "N"]] | None = None
        self._read()

    @property
    def generation(self) -> int:
        """The catalogue's generation that this store shows; -1 before the first."""
        return self._generation

    def count(self) -> int:
        """How many vectors are held."""
        return int(self._index.ntotal)

    def ids(self) -> Int64[np.ndarray, "N"]:
        """The ids that are held, ascending."""
        return self._ordered()[0].copy()

    def vectors(
        self, ids: Int64[np.ndarray, "B"]
    ) -> tuple[Int64[np.ndarray, "M"], Float32[np.ndarray, "M D"]]:
        """Those of the ids that are held, in the order asked, and their vectors."""
        ordered, rows = self._ordered()
        places = np.searchsorted(ordered, ids)
        held = places < len(ordered)
        held[held] = ordered[places[held]] == ids[held]
        return ids[held], self._rows()[rows[places[held]]]

    def upsert(self, ids: Int64[np.ndarray, "B"], vectors: Float32[np.ndarray, "B D"]) -> None:
        """Adds vectors; an id that is held already is replaced."""
        self.delete(ids)
        self._index.add_with_ids(np.ascontiguousarray(vectors), ids)
        self._order = None
        self._single.added(vectors)

    def delete(self, ids: Int64[np.ndarray, "B"]) -> None:
        """Removes ids; those that are not held are ignored."""
        if not (len(ids) and self.count()):
            return
        self._single.removed(np.flatnonzero(np.isin(self._ids(), ids)))
        self._index.remove_ids(ids)
        self._order = None

    def search(
        self,
        queries: Float32[np.ndarray, "Q D"],
        k: int,
        *,
        among: Int64[np.ndarray, "A"] | None = None,
    ) -> Neighbours:
        """The K = min(k, held) best by inner product, only `among` these ids if given."""
        k = min(k, self.count() if among is None else len(among))
        if k == 0:
            none = np.empty((len(queries), 0))
            return Neighbours(none.astype(np.int64), none.astype(np.float32))
        queries = np.ascontiguousarray(queries)
        if among is None and len(queries) == 1 and self._single.pays(self.count()):
            best = self._single.best(self._rows(), queries, k)
            return Neighbours(self._ids()[best.rows][None], best.similarities[None])
        chosen = None
        if among is not None:
            chosen = faiss.SearchParameters(sel=faiss.IDSelectorBatch(among))
        similarities, ids = self._index.search(queries, k, params=chosen)
        return Neighbours(ids, similarities)

    def _rows(self) -> Float32[np.ndarray, "N D"]:
        """FAISS's own memory, lent, not copied: `search` and `upsert` may not meet."""
        flat = faiss.downcast_index(self._index.index)
        held = faiss.rev_swig_ptr(flat.get_xb(), self.count() * self._dimension)
        rows: Float32[np.ndarray, "N D"] = held.reshape(self.count(), self._dimension)
        return rows

    def _ids(self) -> Int64[np.ndarray, "N"]:
        """Of each row."""
        ids: Int64[np.ndarray, "N"] = faiss.rev_swig_ptr(self._index.id_map.data(), self.count())
        return ids

    def _ordered(self) -> tuple[Int64[np.ndarray, "N"], Int64[np.ndarray, "N"]]:
        """The ids, ascending, and the row of each."""
        if self._order is None:
            ids = faiss.vector_to_array(self._index.id_map)
            rows = np.argsort(ids, kind="stable")
            self._order = ids[rows], rows
        return self._order

    def publish(self, generation: int) -> None:
        """Writes the index beside the present one, then replaces the manifest."""
        self._generation = generation
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"vectors-{generation}.faiss"
        size, crc = 0, 0

        def put(stream: BinaryIO) -> None:
            def block(data: bytes) -> None:
                nonlocal size, crc
                size, crc = size + len(data), zlib.crc32(data, crc)
                stream.write(data)

            # Not `serialize_index`: that would be the whole index once more in memory.
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(block, BLOCK_BYTES))

        _replace(self._folder / name, put)
        manifest = Manifest(
            version=MANIFEST_VERSION,
            generation=generation,
            count=self.count(),
            dimension=self._dimension,
            fingerprint=self._fingerprint,
            file=name,
            file_bytes=size,
            file_crc32=crc,
        )
        said = json.dumps(asdict(manifest), indent=1).encode()
        _replace(self._folder / "manifest.json", lambda stream: stream.write(said))
        self._sweep(name)

    def _sweep(self, published: str) -> None:
        """Removes older indexes, and what killed publishers left behind."""
        leftover = time.time() - LEFTOVER_SECONDS
        with suppress(OSError):  # what stays is waste, not harm
            for old in self._folder.glob("vectors-*.faiss"):
                if old.name != published:
                    old.unlink(missing_ok=True)
            for old in self._folder.glob(".*.part"):
                if old.stat().st_mtime < leftover:
                    old.unlink(missing_ok=True)

    def _read(self) -> None:
        try:
            manifest = Manifest(**json.loads((self._folder / "manifest.json").read_bytes()))
            file = self._folder / manifest.file
            believable = (
                manifest.version == MANIFEST_VERSION
                and type(manifest.generation) is int
                and manifest.dimension == self._dimension
                and manifest.fingerprint == self._fingerprint
                and file.stat().st_size == manifest.file_bytes
                and _crc32(file) == manifest.file_crc32
            )
            if not believable:
                return
            index = faiss.read_index(str(file))
        except (OSError, ValueError, TypeError, RuntimeError):
            # No cache, half a manifest, another version's, a damaged index: start empty, and the
            # caller fills from the database.
            return
        if index.ntotal == manifest.count and index.d == self._dimension:
            self._index = index
            self._generation = manifest.generation


def _crc32(file: Path) -> int:
    crc = 0
    with file.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    return crc


def _replace(file: Path, put: Callable[[BinaryIO], object]) -> None:
    """Puts into `file` so that a crash leaves the old bytes or the new, never a part."""
    temporary = file.with_name(f".{file.name}-{uuid.uuid4().hex}.part")
    try:
        with temporary.open("xb") as stream:
            put(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
