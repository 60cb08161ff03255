"""The contract of a vector store: inner-product search over the vectors of one space."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, Int64


class Neighbours(NamedTuple):
    """The best results of each query, best first; -1 pads where a store holds fewer than K."""

    ids: Int64[np.ndarray, "Q K"]
    similarities: Float32[np.ndarray, "Q K"]
    """Inner products; higher is closer."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What callers may rely on."""

    exact: bool
    """Whether `search` returns the true best K."""
    persistent: bool
    """Whether `publish` outlives the process."""


@runtime_checkable
class VectorStore(Protocol):
    """Ids are content ids; vectors are float32 rows of one dimension.

    Not for several threads at once: `retrieval.view` lets them in one by one.
    """

    @property
    def generation(self) -> int:
        """The catalogue's generation that this store shows."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    def count(self) -> int:
        """How many vectors are held."""
        ...

    def ids(self) -> Int64[np.ndarray, "N"]:
        """The ids that are held, ascending."""
        ...

    def vectors(
        self, ids: Int64[np.ndarray, "B"]
    ) -> tuple[Int64[np.ndarray, "M"], Float32[np.ndarray, "M D"]]:
        """Those of the ids that are held, in the order asked, and their vectors, bit for bit."""
        ...

    def upsert(self, ids: Int64[np.ndarray, "B"], vectors: Float32[np.ndarray, "B D"]) -> None:
        """Adds vectors of distinct ids; an id that is held already is replaced."""
        ...

    def delete(self, ids: Int64[np.ndarray, "B"]) -> None:
        """Removes ids; those that are not held are ignored."""
        ...

    def search(
        self,
        queries: Float32[np.ndarray, "Q D"],
        k: int,
        *,
        among: Int64[np.ndarray, "A"] | None = None,
    ) -> Neighbours:
        """The K = min(k, held) best by inner product, only `among` these ids if given.

        Ids that are not held are passed over; -1 takes the places that they leave.

        Which of several equally similar ones are among the K is the store's choice, but always
        the same while nothing changes.
        """
        ...

    def publish(self, generation: int) -> None:
        """Makes the present state the one that later openers see, all at once.

        Raises OSError if that cannot be written; this store shows `generation` all the same.
        """
        ...
