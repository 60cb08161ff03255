"""Words that are not wanted: candidates that answer them are taken off, or come last.

A difference of vectors finds what is unlike the unwanted words in every way, which is seldom what
is asked. So candidates are found by what is wanted, and held against the unwanted words one by one:
by a caption where there is one, else by how far their similarity stands out in the collection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from retrieval.query import Query, TextPart
from retrieval.ranking.composition import Moments
from retrieval.ranking.word_forms import said_share

RERANKED = 200
"""Candidates that are held against the unwanted words."""
SUBTRACTED = 0.3
"""Share of an unwanted part's weight that is still subtracted, to order those that are left."""
STANDS_OUT = 2.0
"""Standard score from which a picture without a caption is taken to answer unwanted words. Lower
ones put more innocent pictures last than guilty ones: see `docs/intent.md`."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What is known of each candidate."""

    dropped: Bool[np.ndarray, "N"]
    """A caption says the unwanted words."""
    suspected: Bool[np.ndarray, "N"]
    """No caption says anything, and the similarity with the unwanted words stands out."""
    wanted: Float64[np.ndarray, "N"]
    """Share in [0, 1] of the wanted words that a caption says; 0 without one."""


def unwanted_words(query: Query) -> Bool[np.ndarray, "P"]:
    """Which parts of a query are words of weight -1 or less: weaker ones only mean less of it."""
    return np.array([isinstance(part, TextPart) and part.weight <= -1 for part in query.parts])


def finding_weights(query: Query) -> Float64[np.ndarray, "P"]:
    """The parts' weights as candidates are found: unwanted words count `SUBTRACTED` as much.

    Where nothing is wanted all weights are as they were: there is nothing else to find by.
    """
    weights = np.array([part.weight for part in query.parts])
    if (weights > 0).any():
        weights[unwanted_words(query)] *= SUBTRACTED
    return weights


def standing_out(
    similarities: Float64[np.ndarray, "N P"], moments: Moments
) -> Bool[np.ndarray, "N"]:
    r"""Whether (u_p . F - mu_p) / sigma_p > `STANDS_OUT` for any unwanted part p.

        here           shape   meaning
        similarities   N P     u_p . F of a candidate with each unwanted part
        moments        P       mu_p and sigma_p of the part's similarities over the collection

    Nothing stands out where nothing is known of the spread: fewer than two pictures, or all alike.
    """
    scores = (similarities - moments.mean) / moments.spread
    found: Bool[np.ndarray, "N"] = (scores > STANDS_OUT).any(axis=1)
    return found


def judgement(
    query: Query,
    captions: Sequence[Sequence[str]],
    unwanted: Float64[np.ndarray, "N U"],
    moments: Moments,
) -> Judgement:
    """Candidates held against a query's words.

    `captions` are those of each candidate, `unwanted` its similarity with each unwanted text, in
    the query's order, and `moments` how these lie over the collection.
    """
    texts = [part for part in query.parts if isinstance(part, TextPart)]
    wished = " ".join(part.text for part in texts if part.weight > 0)
    refused = [part.text for part in texts if part.weight <= -1]
    captioned = np.array([bool(said) for said in captions], dtype=bool)
    dropped = [
        any(said_share(words, one) == 1 for words in refused for one in said) for said in captions
    ]
    shares = [said_share(wished, " ".join(said)) for said in captions]
    return Judgement(
        dropped=np.array(dropped, dtype=bool),
        suspected=~captioned & standing_out(unwanted, moments),
        wanted=np.array(shares, dtype=np.float64),
    )


def judged_order(
    judged: Judgement, similarities: Float64[np.ndarray, "N"], ids: Int64[np.ndarray, "N"]
) -> Int64[np.ndarray, "M"]:
    """Rows in the order to show: those not dropped; the suspected last, the more wanted first."""
    order = np.lexsort((ids, -similarities, -judged.wanted, judged.suspected))
    kept: Int64[np.ndarray, "M"] = order[~judged.dropped[order]].astype(np.int64)
    return kept
