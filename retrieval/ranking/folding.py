"""Near-identical pictures in a ranking: each stands under the best of its kind."""

import numpy as np
from jaxtyping import Bool, Float32, Int64

from indexer.difference_hash import differing_bits, tells_something
from indexer.near_duplicates import MOST_BITS, are_near


def alike_by_hash(hashes: Int64[np.ndarray, "N"]) -> Bool[np.ndarray, "N"]:
    """Whether a row's hash is so like another's that only the vectors can tell them apart."""
    bits = differing_bits(hashes[:, None], hashes[None, :])
    told = tells_something(hashes)
    pairs = (bits <= MOST_BITS) & told[:, None] & told[None, :]
    found: Bool[np.ndarray, "N"] = pairs.sum(axis=1) > told  # each is like itself
    return found


def folded_rows(
    vectors: Float32[np.ndarray, "N D"], hashes: Int64[np.ndarray, "N"]
) -> list[list[int]]:
    """Rows in order of rank, those folded away behind the row that they are near to.

    A row stands under the first row above it that is not folded itself and that it is near to, as
    `indexer.near_duplicates` judges; so there are no chains. 0 is the hash of an unknown picture,
    which is near to none.
    """
    told = tells_something(hashes)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
    unit = vectors / lengths
    near = are_near(differing_bits(hashes[:, None], hashes[None, :]), unit @ unit.T)
    near &= told[:, None] & told[None, :]
    leaders: dict[int, list[int]] = {}
    for row in range(len(vectors)):
        leader = next((kept for kept in leaders if near[kept, row]), row)
        leaders.setdefault(leader, []).append(row)
    return list(leaders.values())
