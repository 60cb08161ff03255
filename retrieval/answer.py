"""What comes back: ranked hits, and how they came about."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One picture of an answer."""

    rank: int
    """From 1."""
    path: str
    """A file that holds it; undecodable bytes are surrogates, as Python's os module has them."""
    similarity: float
    """Higher is closer. One part: a cosine. Several: the weighted mean of their standard scores
    over the collection, so that 0 is an average picture."""
    image_id: int
    """The picture's number in the library."""
    copies: tuple[str, ...] = ()
    """Other files with the same bytes."""
    parts: tuple[float, ...] = ()
    """The similarity of each part of the query, unweighted."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The best hits of a query, best first; ties stand in order of `image_id`."""

    hits: tuple[Hit, ...]
    n_searched: int
    """Pictures that were compared."""
    trust: float | None = None
    """In [0, 1], higher is safer. None: this version does not judge its answers yet."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage -> seconds."""
