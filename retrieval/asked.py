"""A query on its way: what was asked for, and the vector that it became."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from indexer.filters import Condition
from retrieval.query import Query
from retrieval.ranking.composition import Moments
from retrieval.view import View


class Request(NamedTuple):
    """What is asked, and what of the answer is shown."""

    query: Query
    top: int
    where: Condition | None
    duplicates: bool
    """Whether near-identical pictures are hits of their own."""
    without_hash: str | None
    """Of the one content that is left out."""


class Asked(NamedTuple):
    """A request as it is compared with what is stored."""

    request: Request
    view: View
    parts: Float32[np.ndarray, "P E"]
    vector: Float32[np.ndarray, "E"]
    """All parts in one."""
    level: float
    """Taken off every similarity."""
    unwanted: Moments | None
    """Of the similarities with each of the unwanted words; None: there are none."""
