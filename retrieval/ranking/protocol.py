"""The contract of a way to rank: what is indexed, what is searched with, how hits are scored again.

Shape letters of `retrieval.ranking`:

    N   images of the database        D   width of a vector [s; v]
    T   texts of the bank             S   width of its semantic block s
    Q   queries                       E   width of what is indexed
    K   neighbours of a query         M   candidates that are scored again
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

Kind = Literal["text", "image"]
"""What a query is made of: [t; 0], or [sqrt(1 - omega) s; sqrt(omega) v] at any length."""


class Found(NamedTuple):
    """The indexed vectors most similar to each query, best first; as many for every query."""

    vectors: Float32[np.ndarray, "Q K E"]
    similarities: Float32[np.ndarray, "Q K"]
    """Inner products."""


Search = Callable[[Float32[np.ndarray, "Q E"], int], Found]
"""Queries and k -> the min(k, N) best of what `Ranking.database` made."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a way to rank may learn from, and how vectors are built. Never the queries."""

    images: Float32[np.ndarray, "N D"]
    """The database: [s; v], each block unit length."""
    texts: Float32[np.ndarray, "T S"]
    """A bank of texts like those that will be asked, unit length; may be empty."""
    visual_weight: float
    """omega of image queries, in [0, 1]."""

    @property
    def semantic(self) -> int:
        """S, width of the semantic block."""
        return int(self.texts.shape[1])


@runtime_checkable
class Ranking(Protocol):
    """A way to rank, ready to use: whatever it learns from a reference has been learned."""

    @property
    def candidates(self) -> int:
        """M, how many hits `similarities` is asked for; 0 where the index has the last word."""
        ...

    def database(self, vectors: Float32[np.ndarray, "N D"]) -> Float32[np.ndarray, "N E"]:
        """What is indexed in place of the vectors [s; v]."""
        ...

    def queries(
        self, queries: Float32[np.ndarray, "Q D"], kind: Kind, search: Search
    ) -> Float32[np.ndarray, "Q E"]:
        """What is searched with in place of the queries; may `search` first."""
        ...

    def similarities(
        self, queries: Float32[np.ndarray, "Q E"], found: Found
    ) -> Float32[np.ndarray, "Q M"]:
        """The similarities that the best `candidates` are put in order by; `queries` as above."""
        ...
