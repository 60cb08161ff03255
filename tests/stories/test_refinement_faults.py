"""Killed at any moment of a refinement, a library answers as before or as after, and goes on."""

import os
import shutil
import signal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import indexer.banks
import indexer.build
import indexer.neighbourhoods
import indexer.refine
import indexer.spaces
import indexer.vectors.faiss_store
from indexer.banks import current_bank, searched_vectors
from indexer.pipeline import Flow
from retrieval import Library
from tests.refiners import MeanRefiner
from tests.stand_ins import ColourEncoder
from tests.stories.doomed_runs import exit_code, options, started
from tests.stories.test_faults import draw

N_PICTURES = 24
PER_TRANSACTION = 5

MOMENTS: dict[str, tuple[Any, str, bool]] = {
    "before a file is opened again": (indexer.refine, "fill_evidence", False),
    "after some files were opened again": (indexer.refine, "fill_evidence", True),
    "after a bank is begun": (indexer.refine, "begin_bank", True),
    "before a block is stored": (indexer.refine, "store_refined", False),
    "inside a block's transaction": (indexer.banks, "insert", True),
    "after a block is stored": (indexer.refine, "store_refined", True),
    "before the swap": (indexer.refine, "make_current", False),
    "inside the swap": (indexer.banks, "grow", True),
    "after the swap": (indexer.refine, "make_current", True),
    "before the old bank is dropped": (indexer.refine, "drop_bank", False),
    "inside the dropping": (indexer.banks, "deletion", True),
    "after the old bank is dropped": (indexer.refine, "drop_bank", True),
    "before a cache file is in place": (indexer.vectors.faiss_store.os, "replace", False),
    "after a cache file is in place": (indexer.vectors.faiss_store.os, "replace", True),
    "before old caches are removed": (indexer.spaces.shutil, "rmtree", False),
}
"""Where it is, what is called there, and whether the end comes after that call or before it."""


def opened(folder: Path) -> Library:
    return Library.open(folder, encoder=ColourEncoder(), refiner=MeanRefiner())


def doomed_refinement(folder: Path, moment: str, nth: int) -> None:
    """Refines, and kills itself at the n-th time that `moment` comes."""
    indexer.refine.IMAGES_PER_TRANSACTION = PER_TRANSACTION
    indexer.refine.Flow = partial(Flow, batch_size=PER_TRANSACTION, workers=2)  # type: ignore[misc]
    if not moment:
        opened(folder).refine()
        return
    owner, name, is_after = MOMENTS[moment]
    before = getattr(owner, name)
    count = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and not is_after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = before(*arguments, **named)
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    with opened(folder) as library:
        setattr(owner, name, wrapped)
        library.refine()


def doomed_index(folder: Path, pictures: Path, nth: int) -> None:
    """Indexes for the first time, and kills itself after the n-th block is refined."""
    indexer.refine.IMAGES_PER_TRANSACTION = PER_TRANSACTION
    before = indexer.refine.store_refined
    count = 0

    def wrapped(*arguments: Any) -> None:
        nonlocal count
        before(*arguments)
        count += 1
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    indexer.refine.store_refined = wrapped
    with opened(folder) as library:
        library.index(pictures, options=options())


def stored(library: Library) -> dict[str, np.ndarray]:
    space = library.space
    ids = library.catalogue.searchable_ids(space.id)
    bank = current_bank(library.catalogue, space.id)
    held, vectors = searched_vectors(library.catalogue, ids, space, bank)
    paths = library.catalogue.paths_of(held.tolist())
    return {paths[id][0]: row for id, row in zip(held.tolist(), vectors, strict=True)}


def answers(library: Library) -> list[list[tuple[str, float]]]:
    return [
        [
            (hit.path, round(hit.similarity, 5))
            for hit in library.search(words, top=100, duplicates=True).hits
        ]
        for words in ("red", "blue yellow")
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with libraries: unrefined, refined and then grown, and each as `refine` leaves it.

    That is `plain`, `grown`, `plain refined` and `grown refined`.
    """
    folder = tmp_path_factory.mktemp("whole")
    draw(folder / "pictures", range(N_PICTURES))
    with Library.open(folder / "plain", encoder=ColourEncoder()) as library:
        library.index(folder / "pictures", options=options())
    with opened(folder / "grown") as library:
        draw(folder / "more", range(100, 106))
        library.index(folder / "pictures", options=options())
        library.index(folder / "more", options=options())
    for name in ("plain", "grown"):
        shutil.copytree(folder / name, folder / f"{name} refined")
        assert exit_code(started(doomed_refinement, folder / f"{name} refined", "", 0)) == 0
    return folder


@pytest.mark.parametrize(
    ("name", "moment", "nth"),
    [
        ("plain", "before a file is opened again", 2),
        ("plain", "after some files were opened again", 1),
        ("plain", "after a bank is begun", 1),
        ("plain", "before a block is stored", 1),
        ("plain", "inside a block's transaction", 3),
        ("plain", "after a block is stored", 3),
        ("plain", "before the swap", 1),
        ("plain", "inside the swap", 1),
        ("plain", "after the swap", 1),
        ("plain", "before a cache file is in place", 1),
        ("plain", "after a cache file is in place", 2),
        ("plain", "before old caches are removed", 1),
        ("grown", "after a bank is begun", 1),
        ("grown", "inside a block's transaction", 4),
        ("grown", "after a block is stored", 5),
        ("grown", "before the swap", 1),
        ("grown", "inside the swap", 1),
        ("grown", "after the swap", 1),
        ("grown", "before the old bank is dropped", 1),
        ("grown", "inside the dropping", 2),
        ("grown", "after the old bank is dropped", 1),
        ("grown", "before a cache file is in place", 2),
    ],
)
def test_a_killed_refinement_goes_on(
    tmp_path: Path, whole: Path, name: str, moment: str, nth: int
) -> None:
    folder = tmp_path / "killed.library"
    shutil.copytree(whole / name, folder)
    assert exit_code(started(doomed_refinement, folder, moment, nth)) == -9
    with opened(whole / name) as before, opened(whole / f"{name} refined") as after:
        with opened(folder) as library:
            swapped = answers(library) == answers(after)
            assert swapped or answers(library) == answers(before)
            done = moment.startswith(("after the", "before the old", "inside the drop"))
            assert swapped == (done or "cache" in moment)
            library.refine()
            assert answers(library) == answers(after)
            vectors, others = stored(library), stored(after)
            assert vectors.keys() == others.keys()
            for path, vector in vectors.items():
                np.testing.assert_allclose(vector, others[path], atol=1e-6)
        assert len(list((folder / "faiss").iterdir())) == 1


def test_work_that_was_done_is_not_done_again(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "killed.library"
    shutil.copytree(whole / "plain", folder)
    assert exit_code(started(doomed_refinement, folder, "after a block is stored", 3)) == -9
    with opened(folder) as library:
        report = library.refine()
        assert (report.opened, report.resumed) == (0, 3 * PER_TRANSACTION)
        assert report.refined == N_PICTURES - 3 * PER_TRANSACTION


@pytest.mark.parametrize("nth", [1, 3])
def test_a_first_run_that_is_killed_while_it_refines(tmp_path: Path, whole: Path, nth: int) -> None:
    folder = tmp_path / "killed.library"
    assert exit_code(started(doomed_index, folder, whole / "pictures", nth)) == -9
    with opened(folder) as library, opened(whole / "plain") as plain:
        assert answers(library) == answers(plain)
        report = library.index(whole / "pictures", options=options())
        assert (report.encoded, report.refined) == (0, N_PICTURES - nth * PER_TRANSACTION)
        with opened(whole / "plain refined") as refined:
            assert answers(library) == answers(refined)
