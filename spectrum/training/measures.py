"""Measures of retrieval that choices are made by."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int


def hit_rates(
    similarities: Float[np.ndarray, "N M"],
    right: Bool[np.ndarray, "N M"],
    cutoffs: Sequence[int] = (1, 5, 10),
) -> list[float]:
    """Percentage of the N queries with a right one of the M items in their first 1, 5, 10.

    Ties count against the query: an item as similar as the best right one is ranked before it.
    """
    best = np.where(right, similarities, -np.inf).max(axis=1, keepdims=True)
    before = ((similarities >= best) & ~right).sum(axis=1)
    return [100.0 * float(np.mean(before < cutoff)) for cutoff in cutoffs]


def mean_average_precision(
    similarities: Float[np.ndarray, "N M"], right: Bool[np.ndarray, "N M"]
) -> float:
    """Mean over queries of the precision at each right item's rank, in per cent.

    Queries without a right item are left out.
    """
    order = np.argsort(-similarities, axis=1, kind="stable")
    ranked = np.take_along_axis(right, order, axis=1)[right.any(axis=1)]
    ranks = np.arange(1, ranked.shape[1] + 1)
    precisions = np.cumsum(ranked, axis=1) / ranks
    return 100.0 * float(np.mean((precisions * ranked).sum(axis=1) / ranked.sum(axis=1)))


def caption_hits(
    image_unit: Float[np.ndarray, "N D"], text_unit: Float[np.ndarray, "M D"], captions: int = 5
) -> dict[str, list[float]]:
    """Hit rates between N photographs and their captions, `captions` in a row for each."""
    owners: Int[np.ndarray, " M"] = np.repeat(np.arange(len(image_unit)), captions)
    right = owners[:, None] == np.arange(len(image_unit))
    similarities = text_unit @ image_unit.T
    return {
        "text_to_image": hit_rates(similarities, right),
        "image_to_text": hit_rates(similarities.T, right.T),
    }
