"""What a teacher said, kept in a folder: asked once, whatever happens to the run."""

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float16, Float32


class VectorCache:
    """Vectors of `width` numbers by key, the first `exact` of them in float32, the rest in float16.

    Every `add` writes one file, to a temporary name first, so a killed process leaves whole files
    only, and two processes may write at once. A file that cannot be read is as good as absent.
    """

    def __init__(self, folder: Path, width: int, *, exact: int) -> None:
        self.folder, self.width, self.exact = folder, width, exact
        self._exact: dict[str, Float32[np.ndarray, " exact"]] = {}
        self._rest: dict[str, Float16[np.ndarray, " rest"]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(folder.glob("*.npz")):
            self._read(file)

    def __contains__(self, key: str) -> bool:
        return key in self._exact

    def add(self, keys: Sequence[str], vectors: Float32[np.ndarray, "N D"]) -> None:
        """Keeps vectors, on disk when this returns. Raises OSError if the disk takes no more."""
        if not keys:
            return
        said, rest = vectors[:, : self.exact], vectors[:, self.exact :].astype(np.float16)
        name = hashlib.blake2b("\n".join(keys).encode(), digest_size=16).hexdigest()
        unfinished = self.folder / f".{name}.{os.getpid()}.tmp"
        try:
            with unfinished.open("wb") as stream:
                np.savez(stream, keys=np.array(keys), exact=said, rest=rest)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(unfinished, self.folder / f"{name}.npz")
        finally:
            unfinished.unlink(missing_ok=True)
        self._hold(keys, said, rest)

    def exact_vectors(self, keys: Sequence[str]) -> Float32[np.ndarray, "N exact"]:
        """The first `exact` numbers of each. Raises KeyError for a key that was never added."""
        made = np.empty((len(keys), self.exact), dtype=np.float32)
        for row, key in enumerate(keys):
            made[row] = self._exact[key]
        return made

    def other_vectors(self, keys: Sequence[str]) -> Float16[np.ndarray, "N rest"]:
        """The numbers after the first `exact`. Raises KeyError for a key that was never added."""
        made = np.empty((len(keys), self.width - self.exact), dtype=np.float16)
        for row, key in enumerate(keys):
            made[row] = self._rest[key]
        return made

    def _read(self, file: Path) -> None:
        try:
            with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as held:
                keys = held["keys"].tolist()
                said, rest = held["exact"], held["rest"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return  # asked for again, under the same name
        if said.shape == (len(keys), self.exact) and rest.shape[1:] == (self.width - self.exact,):
            self._hold(keys, said, rest)

    def _hold(
        self,
        keys: Sequence[str],
        said: Float32[np.ndarray, "N exact"],
        rest: Float16[np.ndarray, "N rest"],
    ) -> None:
        self._exact.update(zip(keys, said, strict=True))
        self._rest.update(zip(keys, rest, strict=True))
