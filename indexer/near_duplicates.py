"""Which pictures are two files of one: alike to the encoder and alike in light and shade.

Two witnesses, because each alone is often wrong: an encoder finds two white shirts the same, and a
hash two pictures of sky.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from sqlalchemy import func, select

from indexer.catalogue import Catalogue, chunks, one_of
from indexer.difference_hash import differing_bits, tells_something
from indexer.schema import Content, Location

MOST_BITS = 7
"""In which the hashes of near duplicates differ, of 64."""

SIMILARITY, SIMILARITY_PER_BIT = 0.75, 0.025
"""Cosine that near duplicates have at least, if their hashes agree; and how much more for each bit
in which they differ. Chosen on photographs of 2026: docs/filters.md has the figures."""

BANDS, BAND_BITS = 4, 16
PAIRS_PER_BLOCK = 2_000_000

MEMBERS = 8
"""Of one hash that are paired with pictures of another."""

UNKNOWN = 0
"""A hash that tells nothing stands for one that was not computed."""


def difference_hashes(catalogue: Catalogue, ids: Sequence[int]) -> Int64[np.ndarray, "N"]:
    """The pictures' hashes in the order asked, 0 where there is none."""
    found: dict[int, int | None] = {}
    with catalogue.reading() as session:
        for some in chunks(list(ids)):
            query = select(Content.id, Content.difference_hash).where(Content.id.in_(one_of(some)))
            found.update((id, hash) for id, hash in session.execute(query))
    return np.array([found.get(id) or UNKNOWN for id in ids], dtype=np.int64)


def copied_ids(catalogue: Catalogue) -> list[int]:
    """Pictures that several present files hold, byte for byte; ascending."""
    query = (
        select(Location.content_id)
        .where(Location.state == "present", Location.content_id.is_not(None))
        .group_by(Location.content_id)
        .having(func.count() > 1)
        .order_by(Location.content_id)
    )
    with catalogue.reading() as session:
        return [id for id in session.scalars(query) if id is not None]


def are_near(
    bits: UInt8[np.ndarray, "..."], cosines: Float32[np.ndarray, "..."] | Float64[np.ndarray, "..."]
) -> Bool[np.ndarray, "..."]:
    """Whether both witnesses agree: the more bits differ, the more alike the vectors must be."""
    near: Bool[np.ndarray, "..."] = (bits <= MOST_BITS) & (
        cosines >= SIMILARITY + SIMILARITY_PER_BIT * bits
    )
    return near


def cosines_of(
    first: Float32[np.ndarray, "N D"], second: Float32[np.ndarray, "N D"]
) -> Float32[np.ndarray, "N"]:
    """Row by row; 0 where a vector has no length."""
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = np.einsum("nd,nd->n", first, second)
    cosines: Float32[np.ndarray, "N"] = products / np.maximum(lengths, np.float32(1e-12))
    return cosines


def near_hash_pairs(hashes: Int64[np.ndarray, "N"]) -> Int64[np.ndarray, "P 2"]:
    """Pairs (i, j), i < j, whose hashes differ in at most MOST_BITS bits; each once, in order.

    Hashes that tell nothing have no pair. Of a hash that more than MEMBERS pictures share, only
    the first MEMBERS are paired with others, and each of the others with these: a year of frames
    from one webcam would have as many pairs as it has frames, squared.
    """
    rows = np.flatnonzero(tells_something(hashes))
    codes, code_of, count = np.unique(hashes[rows], return_inverse=True, return_counts=True)
    members = rows[np.argsort(code_of, kind="stable")]
    start = np.cumsum(count) - count
    few = np.minimum(count, MEMBERS)
    found: list[Int64[np.ndarray, "P 2"]] = []

    def expand(
        first: Int64[np.ndarray, "C"], second: Int64[np.ndarray, "C"], sizes: Int64[np.ndarray, "N"]
    ) -> None:
        """Some members of the first codes with so many of the second ones."""
        for at, pair in _joined(np.zeros_like(first), few[first] * sizes[second]):
            left = members[start[first[at]] + pair // sizes[second[at]]]
            right = members[start[second[at]] + pair % sizes[second[at]]]
            pairs = np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1)
            found.append(pairs[left != right])

    shared = np.flatnonzero(count > 1)
    expand(shared, shared, count)
    for first, second in _near_codes(codes):
        expand(first, second, few)
    if not found:
        return np.empty((0, 2), dtype=np.int64)
    pairs: Int64[np.ndarray, "P 2"] = np.unique(np.concatenate(found), axis=0)
    return pairs


def _near_codes(
    codes: Int64[np.ndarray, "C"],
) -> Iterator[tuple[Int64[np.ndarray, "P"], Int64[np.ndarray, "P"]]]:
    """Pairs of distinct codes that differ in at most MOST_BITS bits; some come more than once.

    Of 7 differing bits at most one falls into at least one of four bands of 16 (7 < 4 * 2), so
    pairs are looked up by each band as it is and with each of its bits turned: the time grows with
    the number of pairs that share a band, not with that of all pairs.
    Source: multi-index hashing, Norouzi, Punjani, Fleet, CVPR 2012.
    """
    for band in range(BANDS):
        keys = (codes.view(np.uint64) >> np.uint64(BAND_BITS * band)).astype(np.uint16)
        order = np.argsort(keys, kind="stable")
        in_order = keys[order]
        for flip in [0, *(1 << bit for bit in range(BAND_BITS))]:
            wanted = keys ^ np.uint16(flip)
            start = np.searchsorted(in_order, wanted, side="left")
            stop = np.searchsorted(in_order, wanted, side="right")
            for first, place in _joined(start, stop):
                second = order[place]
                near = (first < second) & (differing_bits(codes[first], codes[second]) <= MOST_BITS)
                if near.any():
                    yield first[near], second[near]


def _joined(
    start: Int64[np.ndarray, "N"], stop: Int64[np.ndarray, "N"]
) -> Iterator[tuple[Int64[np.ndarray, "P"], Int64[np.ndarray, "P"]]]:
    """Every (i, k) with start[i] <= k < stop[i], in blocks that fit into memory."""
    counts = stop - start
    ends = np.cumsum(counts)
    row = 0
    while row < len(counts):
        done = ends[row - 1] if row else 0
        last = max(row + 1, int(np.searchsorted(ends, done + PAIRS_PER_BLOCK, side="right")))
        some = counts[row:last]
        first = np.repeat(np.arange(row, last), some)
        within = np.arange(len(first)) - np.repeat(np.cumsum(some) - some, some)
        yield first, np.repeat(start[row:last], some) + within
        row = last


def stars(n: int, pairs: Int64[np.ndarray, "P 2"]) -> list[list[int]]:
    """Groups of at least two out of `n`, in which all are near one of them, which comes first.

    Connected components, parted: a chain, in which each is near the next and the ends have nothing
    in common, would be one group otherwise. The one with most neighbours left takes them all, the
    first of several; then the next. Groups are in order of their smallest number, members too.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    both = np.concatenate([pairs, pairs[:, ::-1]])
    links = coo_array((np.ones(len(both), dtype=np.int8), both.T), shape=(n, n)).tocsr()
    neighbours = {
        int(i): links.indices[links.indptr[i] : links.indptr[i + 1]].tolist()
        for i in np.unique(both)
    }
    _, label = connected_components(links, directed=False)
    components: dict[int, set[int]] = {}
    for i in neighbours:
        components.setdefault(int(label[i]), set()).add(i)
    groups = [star for left in components.values() for star in _parted(left, neighbours)]
    return sorted(groups, key=min)


def _parted(left: set[int], neighbours: dict[int, list[int]]) -> Iterator[list[int]]:
    degree = {i: len(neighbours[i]) for i in left}
    while left:
        centre = min(left, key=lambda i: (-degree[i], i))
        if not degree[centre]:
            return
        members = [centre, *sorted(i for i in neighbours[centre] if i in left)]
        yield members
        left = left - set(members)
        for gone in members:
            for i in neighbours[gone]:
                degree[i] -= 1
