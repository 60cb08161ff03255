"""What comes back: ranked hits, and how they came about."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A picture that a hit was refined among."""

    image_id: int
    path: str
    """A file that holds it; empty if none is present now."""
    influence: float
    """How far the hit would move if this picture were replaced: CASTLE 1.3a, squared; > 0."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """What is known of how a hit came to its place."""

    captions: tuple[str, ...] = ()
    """What the library's captioners and people say of it."""
    text_weights: dict[str, float] = field(default_factory=dict)
    """How much each layer of SPECTRUM 6.1a counts where words ask: the encoder and the five
    modules; together 1. Empty if the picture is not refined."""
    image_weights: dict[str, float] = field(default_factory=dict)
    """The same where an image asks."""
    neighbours: tuple[Neighbour, ...] = ()
    """Whose replacement would move it, most first. Empty without CASTLE, which moves by them."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """One picture of an answer."""

    rank: int
    """From 1."""
    path: str
    """A file that holds it; undecodable bytes are surrogates, as Python's os module has them."""
    similarity: float
    """Higher is closer. One part: a cosine; if it is words and vectors are refined, less the
    picture's hubness and with what the words look like. Several: the weighted mean of their
    standard scores over the collection, so that 0 is an average picture."""
    image_id: int
    """The picture's number in the library."""
    copies: tuple[str, ...] = ()
    """Other files with the same bytes."""
    near: tuple[str, ...] = ()
    """Files that look the same, such as other sizes of it, and are no hits of their own."""
    parts: tuple[float, ...] = ()
    """The similarity of each part of the query, unweighted."""
    why: Why | None = None
    """None unless the answer was to be explained."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Whether the library has anything for a query, with what was promised of the judgement."""

    trust: float
    """In [0, 1], higher is safer: the share of good queries that look no more usual than this."""
    conformity: float | None
    """In [0, 1]: whether it settled as known ones do. None unless the library was calibrated with
    the detector "satipatthana", which is not the default."""
    confidence: float | None
    """In [0, 1]: both together. None as for conformity."""
    threshold: float
    """Queries of lower trust are refused."""
    accepted: bool
    """Whether trust reaches the threshold."""
    false_reject: float
    """alpha: at most this share of good queries is refused."""
    reasons: tuple[str, ...]
    """What is unusual about a refused query, in words; empty for an accepted one."""
    detector: str
    """Who judged."""
    n_calibrating: int
    """Good queries that the threshold was taken from."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The best hits of a query, best first; ties stand in order of `image_id`."""

    hits: tuple[Hit, ...]
    n_searched: int
    """Pictures that were compared."""
    trust: Trust | None = None
    """None: the library is not calibrated for such queries, or nobody asked."""
    n_weak: int = 0
    """Hits left out since good queries' best hits are hardly ever so weak."""
    ungated: str = ""
    """Why the query, or its words, were not judged, and what to do; empty where all was judged or
    nobody asked."""
    unexplained: str = ""
    """Why modules and neighbours of an answer to be explained are not told; empty if they are."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Stage -> seconds."""
