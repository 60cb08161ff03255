"""However a folder is named, its files are themselves; and a folder that is shut is not empty."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from indexer.build import BuildOptions
from retrieval import Library
from tests.stand_ins import ColourEncoder
from tests.stories.doomed_runs import exit_code, options, started

Paint = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, paint: Paint) -> Path:
    """Three folders whose names begin alike, and five pictures."""
    return painted(tmp_path / "root", paint)


def painted(root: Path, paint: Paint) -> Path:
    for i, name in enumerate(("pic/a", "pic/sub/b", "pic/sub/c", "pic2/d", "pic-3/e")):
        paint(root / f"{name}.png", "red", size=(20 + i, 20))
    return root


@pytest.mark.parametrize(
    "name", ["pic", "pic/", "./pic", "pic/../pic", "pic2/../pic/.", "ABSOLUTE", "//ABSOLUTE"]
)
def test_every_name_of_a_folder_is_the_same_folder(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(folder)
    library.index(name.replace("//ABSOLUTE", f"/{folder}/pic").replace("ABSOLUTE", f"{folder}/pic"))
    assert library.index(folder / "pic").unchanged == 3
    assert library.status().roots == (str(folder / "pic"),)
    monkeypatch.chdir(folder / "pic")
    assert library.index(".").unchanged == 3


def test_folders_whose_names_begin_alike_are_apart(library: Library, folder: Path) -> None:
    library.index(folder / "pic2", folder / "pic", folder / "pic-3", folder / "pic")
    assert library.status().present == 5
    for path in (folder / "pic").rglob("*.png"):
        path.unlink()
    report = library.index(folder / "pic", options=BuildOptions(prune=True))
    assert (report.deleted, library.status().present) == (3, 2)
    assert library.index(folder / "pic2", folder / "pic-3").unchanged == 2


def test_a_folder_and_one_inside_it_in_any_order(library: Library, folder: Path) -> None:
    assert library.index(folder / "pic" / "sub").encoded == 2
    report = library.index(folder)
    assert (report.encoded, report.unchanged) == (3, 2)
    assert library.index(folder / "pic" / "sub").unchanged == 2
    assert library.index(folder / "pic", folder, folder / "pic" / "sub").unchanged == 5
    (folder / "pic" / "sub" / "b.png").unlink()
    report = library.index(folder / "pic" / "sub", options=BuildOptions(prune=True))
    assert (report.unchanged, report.deleted, library.status().present) == (1, 1, 4)


def test_a_single_file(library: Library, folder: Path, paint: Paint) -> None:
    file = folder / "pic" / "a.png"
    assert library.index(file, file).encoded == 1
    assert library.index(file).unchanged == 1
    assert library.index(folder).encoded == 4
    paint(file, "blue", size=(33, 20))
    assert library.index(file).encoded == 1
    assert library.status().present == 5


def test_a_link_to_a_folder_shows_copies(library: Library, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "pic")
    assert library.index(tmp_path / "link").encoded == 3
    report = library.index(folder / "pic")
    assert (report.encoded, report.recognised) == (0, 3)
    assert library.status().images == 3
    assert all(len(hit.copies) == 1 for hit in library.search("red").hits)


def _as_nobody(folder: Path) -> None:
    """Indexes with the rights of a user who may be denied something; roots and their files stay.

    Everything is imported and opened before the rights are given up.
    """
    with Library.open(folder.parent / "nobody.library", encoder=ColourEncoder()) as library:
        assert library.index(folder, options=options()).encoded == 5
        for path in (folder.parent, *folder.parent.rglob("*")):
            os.chown(path, 65534, 65534)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        _shut_and_open(library, folder)


def _shut_and_open(library: Library, folder: Path) -> None:
    sub, prune = folder / "pic" / "sub", BuildOptions(prune=True)
    sub.chmod(0)
    for chosen in (options(), prune):
        report = library.index(folder, options=chosen)
        assert (report.missing, report.deleted, report.failed_standing) == (0, 0, 1)
        assert [row.message for row in library.failures()] == ["permission denied"]
        assert library.status().present == 5
    sub.chmod(0o700)
    report = library.index(folder)
    assert (report.unchanged, report.encoded, report.failed_standing) == (5, 0, 0)
    folder.chmod(0)
    for chosen in (options(), prune):
        with pytest.raises(PermissionError):
            library.index(folder, options=chosen)
    folder.chmod(0o700)
    assert library.index(folder).unchanged == 5
    (folder / "pic2" / "d.png").chmod(0)
    os.utime(folder / "pic2" / "d.png", (1, 1))
    assert library.index(folder).failed == 1
    (folder / "pic2" / "d.png").chmod(0o600)
    assert library.index(folder, options=BuildOptions(retry_failed=True)).recognised == 1


def test_permission_lost_and_regained(tmp_path: Path, paint: Paint) -> None:
    """What may not be looked into is neither gone nor to be encoded again, even with --prune."""
    if os.geteuid() == 0:  # pytest's own folders are shut to others
        with TemporaryDirectory() as temporary:
            folder = painted(Path(temporary) / "root", paint)
            assert exit_code(started(_as_nobody, folder)) == 0
    else:
        folder = painted(tmp_path / "root", paint)
        with Library.open(tmp_path / "own.library", encoder=ColourEncoder()) as library:
            library.index(folder, options=options())
            _shut_and_open(library, folder)
