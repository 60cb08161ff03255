"""Vectors of two blocks [s; v]: how a query weighs them, and their lengths.

A query [|q_s| q_s^; |q_v| q_v^] sees an image as a |q_s| : |q_v| mixture of two cosines. So what is
added to it has to be weighed in the same shares, and a text stays blind to the visual block.
"""

import numpy as np
from jaxtyping import Float32

_SHORTEST = np.float32(1e-12)


def unit(vectors: Float32[np.ndarray, "*N D"]) -> Float32[np.ndarray, "*N D"]:
    """Vectors at length one; those of length 0 stay 0."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    made: Float32[np.ndarray, "*N D"] = vectors / np.maximum(lengths, _SHORTEST)
    return made


def unit_blocks(vectors: Float32[np.ndarray, "*N D"], semantic: int) -> Float32[np.ndarray, "*N D"]:
    """Each of the two blocks at length one; a block of length 0 stays 0."""
    blocks = vectors[..., :semantic], vectors[..., semantic:]
    return np.concatenate([unit(block) for block in blocks], axis=-1)


def block_lengths(
    vectors: Float32[np.ndarray, "*N D"], semantic: int
) -> Float32[np.ndarray, "*N 2"]:
    """How long the semantic and the visual block are."""
    blocks = vectors[..., :semantic], vectors[..., semantic:]
    return np.stack([np.linalg.norm(block, axis=-1) for block in blocks], axis=-1)


def block_shares(
    vectors: Float32[np.ndarray, "*N D"], semantic: int
) -> Float32[np.ndarray, "*N 2"]:
    """The blocks' lengths as shares of their sum; 0 and 0 for the vector 0."""
    lengths = block_lengths(vectors, semantic)
    total = np.maximum(lengths.sum(axis=-1, keepdims=True), _SHORTEST)
    shares: Float32[np.ndarray, "*N 2"] = lengths / total
    return shares


def scaled_blocks(
    vectors: Float32[np.ndarray, "*N D"], factors: Float32[np.ndarray, "*_ 2"], semantic: int
) -> Float32[np.ndarray, "*N D"]:
    """The semantic block times the first factor, the visual block times the second."""
    semantic_part = vectors[..., :semantic] * factors[..., :1]
    return np.concatenate([semantic_part, vectors[..., semantic:] * factors[..., 1:]], axis=-1)


def image_queries(
    vectors: Float32[np.ndarray, "N D"], semantic: int, visual_weight: float
) -> Float32[np.ndarray, "N D"]:
    """The queries that stored images would be, as `composition.image_query` makes one."""
    lengths = np.sqrt(np.array([1 - visual_weight, visual_weight], dtype=np.float32))
    return scaled_blocks(vectors, lengths / lengths.sum(), semantic)
