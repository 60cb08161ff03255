"""The table at the top of `indexer/survey.py`, and when a folder counts as lost."""

from pathlib import Path

import pytest

from indexer.errors import RootLostError
from indexer.records import KnownFile
from indexer.survey import Survey, compare, refuse_lost_root
from indexer.walk import FoundFile, UnreachableFile


def found(path: str, size: int = 10, mtime: int = 1) -> FoundFile:
    return FoundFile(path=path, size_bytes=size, mtime_ns=mtime)


def known(
    state: str = "present", *, size: int = 10, encoded: bool = True, **more: str
) -> KnownFile:
    return KnownFile(
        size_bytes=size,
        mtime_ns=1,
        state=state,
        content_id=1,
        encoded=encoded,
        decoder=more.get("decoder"),
        message=more.get("message"),
    )


def survey(
    entries: list[FoundFile | UnreachableFile],
    before: dict[str, KnownFile],
    *,
    retry_failed: bool = False,
) -> Survey:
    return compare("/r", entries, before, decoder="pillow 2", retry_failed=retry_failed)


@pytest.mark.parametrize(
    ("before", "becomes"),
    [
        (None, "work"),
        (known(), "unchanged"),
        (known(size=11), "work"),
        (known(encoded=False), "work"),
        (known("missing"), "returned"),
        (known("deleted"), "returned"),
        (known("deleted", encoded=False), "work"),
        (known("missing", size=11), "work"),
        (known("failed", encoded=False, decoder="pillow 2"), "standing"),
        (known("failed", encoded=False, decoder="pillow 1"), "work"),
        (known("failed", encoded=False, decoder="pillow 2", size=11), "work"),
    ],
)
def test_a_file_that_is_there(before: KnownFile | None, becomes: str) -> None:
    result = survey([found("/r/a")], {"/r/a": before} if before else {})
    counts = {
        "work": len(result.work),
        "returned": len(result.returned),
        "unchanged": result.unchanged,
        "standing": result.standing,
    }
    assert counts == {name: int(name == becomes) for name in counts}
    assert result.vanished == []


@pytest.mark.parametrize(
    ("state", "vanishes"),
    [("present", True), ("failed", True), ("missing", False), ("deleted", False)],
)
def test_a_file_that_is_gone(state: str, vanishes: bool) -> None:
    assert survey([], {"/r/a": known(state)}).vanished == (["/r/a"] if vanishes else [])


def test_a_failure_is_tried_again_when_asked() -> None:
    before = {"/r/a": known("failed", encoded=False, decoder="pillow 2")}
    assert len(survey([found("/r/a")], before, retry_failed=True).work) == 1


def test_what_cannot_be_reached_is_reported_once() -> None:
    entry = UnreachableFile(path="/r/a", error_class="OSError", message="symlink loop")
    assert survey([entry], {}).unreachable == [entry]
    again = survey([entry], {"/r/a": known("failed", message="symlink loop")})
    assert (again.unreachable, again.standing, again.vanished) == ([], 1, [])
    other = survey([entry], {"/r/a": known("failed", message="permission denied")})
    assert other.unreachable == [entry]


def test_files_below_a_folder_that_cannot_be_entered_stay_as_they_were() -> None:
    entry = UnreachableFile(path="/r/album", error_class="PermissionError", message="denied")
    before = {"/r/album/a": known(), "/r/album2/b": known()}
    assert survey([entry], before).vanished == ["/r/album2/b"]


def lost(root: Path, n_known: int, n_vanished: int, n_found: int) -> Survey:
    return Survey(
        root=str(root),
        device=root.stat().st_dev if root.exists() else None,
        n_known=n_known,
        n_found=n_found,
        unchanged=0,
        standing=0,
        vanished=[f"{root}/{i}" for i in range(n_vanished)],
    )


@pytest.mark.parametrize(
    ("n_known", "n_vanished", "moved", "refused"),
    [
        (10, 0, 0, None),
        (10, 2, 0, None),
        (10, 3, 0, "lost 3 files"),
        (10, 3, 1, None),
        (10, 10, 7, "lost 3 files"),
        (1, 1, 0, "lost 1 files"),
        (0, 0, 0, None),
    ],
)
def test_a_fifth_may_go(
    tmp_path: Path, n_known: int, n_vanished: int, moved: int, refused: str | None
) -> None:
    result = lost(tmp_path, n_known, n_vanished, n_found=1)
    if refused is None:
        refuse_lost_root(result, tmp_path.stat().st_dev, lambda: moved)
    else:
        with pytest.raises(RootLostError, match=f"{refused} .*nothing was changed.*--prune"):
            refuse_lost_root(result, tmp_path.stat().st_dev, lambda: moved)


def test_an_absent_an_empty_and_a_foreign_folder_are_refused(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    with pytest.raises(RootLostError, match="not there; is its disk plugged in"):
        refuse_lost_root(lost(tmp_path / "none", 5, 5, 0), device, lambda: 0)
    with pytest.raises(RootLostError, match="holds no image any more"):
        refuse_lost_root(lost(tmp_path, 5, 5, 0), device, lambda: 0)
    with pytest.raises(RootLostError, match="another device, with 1 files gone"):
        refuse_lost_root(lost(tmp_path, 50, 1, 49), device + 1, lambda: 0)


def test_another_device_with_every_file_in_place_is_a_remount(tmp_path: Path) -> None:
    refuse_lost_root(lost(tmp_path, 50, 0, 50), tmp_path.stat().st_dev + 1, lambda: 0)
