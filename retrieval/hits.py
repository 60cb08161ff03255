"""What is shown of scored candidates: those with files, unwanted ones out, look-alikes as one."""

import numpy as np
from jaxtyping import Int64

from indexer.captions import texts_of
from indexer.catalogue import Catalogue
from indexer.filters import Condition
from indexer.near_duplicates import difference_hashes
from indexer.selection import selected_paths
from retrieval.answer import Hit
from retrieval.asked import Asked
from retrieval.candidates import Scored
from retrieval.ranking.composition import Moments
from retrieval.ranking.folding import alike_by_hash, folded_rows
from retrieval.ranking.negation import judged_order, judgement, unwanted_words
from retrieval.view import View

FOLDED_FETCH = 20
"""Near duplicates stand close to one another in a ranking: so many more, and few have to be looked
at again."""


def best_hits(scored: Scored, asked: Asked, n_certain: int) -> tuple[Hit, ...]:
    """The best of these, of which the first `n_certain` are known to be the library's best."""
    request, rows = asked.request, scored.order[:n_certain]
    if asked.unwanted is not None:
        rows = _without_unwanted(scored, rows, asked, asked.unwanted)
    elif request.duplicates:
        rows = scored.order
    some = rows[: request.top if request.duplicates else request.top + FOLDED_FETCH]
    # Files and hashes of those behind are looked up only where these were not enough.
    hits = _shown(scored, some, asked)
    return hits if len(hits) == min(request.top, len(rows)) else _shown(scored, rows, asked)


def _shown(scored: Scored, rows: Int64[np.ndarray, "C"], asked: Asked) -> tuple[Hit, ...]:
    """What is shown of these rows, at most as many as are asked for."""
    request, ids = asked.request, scored.ids[rows]
    paths = fitting_files(asked.view.catalogue, ids, request.where)
    # Before anything is folded: a picture that went missing must not stand for its likes.
    found = rows[np.array([bool(paths[id]) for id in ids.tolist()], dtype=np.bool_)]
    folded = [[row] for row in found.tolist()]
    if not request.duplicates:
        folded = _folded(scored, found, asked.view)
    return tuple(
        _hit(rank, alike, scored, paths)
        for rank, alike in enumerate(folded[: request.top], start=1)
    )


def fitting_files(
    catalogue: Catalogue, ids: Int64[np.ndarray, "N"], where: Condition | None
) -> dict[int, list[str]]:
    """Picture -> its files, those first that fit; none if none fits any more."""
    files = catalogue.paths_of(ids.tolist())
    if where is None:
        return files
    # The only file of a picture that fits is the one that does.
    several = [id for id, paths in files.items() if len(paths) > 1]
    fitting = selected_paths(catalogue, where, several) if several else {}
    for id, fits in fitting.items():
        files[id] = fits + [path for path in files[id] if path not in fits] if fits else []
    return files


def _without_unwanted(
    scored: Scored, rows: Int64[np.ndarray, "C"], asked: Asked, moments: Moments
) -> Int64[np.ndarray, "M"]:
    """These rows in the order to show, without those that answer the unwanted words."""
    query, ids = asked.request.query, scored.ids[rows]
    said = texts_of(asked.view.catalogue, ids.tolist())
    judged = judgement(
        query,
        [said[id] for id in ids.tolist()],
        scored.by_part[rows][:, unwanted_words(query)],
        moments,
    )
    kept: Int64[np.ndarray, "M"] = rows[judged_order(judged, scored.similarities[rows], ids)]
    return kept


def _folded(scored: Scored, rows: Int64[np.ndarray, "C"], view: View) -> list[list[int]]:
    """These rows, each with those that look like it."""
    ids = scored.ids[rows]
    hashes = difference_hashes(view.catalogue, ids.tolist())
    alike = np.flatnonzero(alike_by_hash(hashes))
    if not len(alike):
        return [[row] for row in rows.tolist()]
    # Few hashes are like another's, and the vectors of the others need not be read.
    encoded = view.encoded(ids[alike], scored.stored[rows[alike]])
    vectors = np.zeros((len(rows), encoded.shape[1]), dtype=np.float32)
    vectors[alike] = encoded
    places = folded_rows(vectors, hashes)
    return [[int(rows[place]) for place in alike] for alike in places]


def _hit(rank: int, alike: list[int], scored: Scored, paths: dict[int, list[str]]) -> Hit:
    """The first of these rows, the others folded under it."""
    row, *folded = alike
    files = paths[int(scored.ids[row])]
    return Hit(
        rank=rank,
        path=files[0],
        similarity=float(scored.similarities[row]),
        image_id=int(scored.ids[row]),
        copies=tuple(files[1:]),
        near=tuple(path for other in folded for path in paths[int(scored.ids[other])]),
        parts=tuple(scored.by_part[row].tolist()),
    )
