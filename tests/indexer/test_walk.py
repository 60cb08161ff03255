"""Which files: names, links, loops, permissions, and their order."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.formats import IMAGE_SUFFIXES
from indexer.walk import FoundFile, UnreachableFile, walk

NOBODY = 65534


def touch(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode("utf-8", "surrogateescape"))


def met(root: Path, **options: object) -> list[FoundFile | UnreachableFile]:
    return list(walk(str(root), suffixes=IMAGE_SUFFIXES, **options))


def names(root: Path, **options: object) -> list[str]:
    """Paths of the files found, relative to the root; nothing may be unreachable."""
    entries = met(root, **options)
    assert not [entry for entry in entries if isinstance(entry, UnreachableFile)]
    return [os.path.relpath(entry.path, root) for entry in entries]


def problems(root: Path, **options: object) -> dict[str, tuple[str, str]]:
    return {
        os.path.relpath(entry.path, root): (entry.error_class, entry.message)
        for entry in met(root, **options)
        if isinstance(entry, UnreachableFile)
    }


def test_a_file_is_told_with_its_size_and_time(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.jpg")
    os.utime(tmp_path / "a/b.jpg", ns=(1, 1_700_000_000_123_456_789))
    assert met(tmp_path) == [
        FoundFile(path=str(tmp_path / "a/b.jpg"), size_bytes=7, mtime_ns=1_700_000_000_123_456_789)
    ]


def test_only_known_suffixes_in_any_case(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.JPG", "c.JpEg", "d.heic", "e.NEF", "f.txt", "g", "h.jpg.part")
    touch(tmp_path, "jpg", "folder.jpg/inner.txt", "folder.png/i.png")
    assert names(tmp_path) == ["a.jpg", "b.JPG", "c.JpEg", "d.heic", "e.NEF", "folder.png/i.png"]
    assert list(walk(str(tmp_path), suffixes=frozenset({".txt"})))[0].path.endswith("f.txt")


def test_an_empty_folder_gives_nothing(tmp_path: Path) -> None:
    assert met(tmp_path) == []


def test_odd_names_come_through(tmp_path: Path) -> None:
    odd = [" leading.jpg", "line\nbreak.jpg", "\U0001f600.jpg", "a'\"$`\\.jpg", "-rf.jpg"]
    not_utf8 = os.fsdecode(b"\xff\xfe caf\xe9.jpg")
    touch(tmp_path, *odd, not_utf8, os.fsdecode(b"\xe9 folder/x.jpg"))
    found = names(tmp_path)
    assert sorted(found) == sorted([*odd, not_utf8, os.fsdecode(b"\xe9 folder/x.jpg")])
    assert b"\xff\xfe caf\xe9.jpg" in map(os.fsencode, found)
    for entry in met(tmp_path):
        assert os.stat(entry.path).st_size == entry.size_bytes


def test_the_order_is_that_of_the_bytes_of_whole_paths(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "a.jpg", "a-b.jpg", "a0.jpg", "B.jpg", "\u00e9.jpg", "a/b/c.jpg")
    touch(tmp_path, os.fsdecode(b"\xe9.jpg"), "\U0001f600.jpg", "\uffee.jpg")
    found = names(tmp_path)
    assert found[:6] == ["B.jpg", "a-b.jpg", "a.jpg", "a/b/c.jpg", "a/x.jpg", "a0.jpg"]
    assert found == sorted(found, key=os.fsencode)
    assert [names(tmp_path) for _ in range(3)] == [found] * 3


@given(
    paths=st.lists(
        st.lists(st.text("ab.-\u00e9\ud83d", min_size=1, max_size=3), min_size=1, max_size=3),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_order_and_completeness_of_any_tree(
    paths: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    made = set()
    for parts in paths:
        folders = [part.encode("utf-8", "surrogatepass") + b"d" for part in parts[:-1]]
        name = parts[-1].encode("utf-8", "surrogatepass") + b"f.jpg"
        relative = b"/".join([*folders, name])
        touch(root, os.fsdecode(relative))
        made.add(relative)
    found = [os.fsencode(name) for name in names(root, hidden=True)]
    assert found == sorted(made)


def test_hidden_names_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, ".a.jpg", "._b.jpg", ".trash/c.jpg", "d/.e/f.jpg", "g.jpg")
    assert names(tmp_path) == ["g.jpg"]
    everything = ["._b.jpg", ".a.jpg", ".trash/c.jpg", "d/.e/f.jpg", "g.jpg"]
    assert names(tmp_path, hidden=True) == everything
    assert names(tmp_path / ".trash") == ["c.jpg"], "a hidden root was named on purpose"


def test_folders_of_machines_and_libraries_are_left_out(tmp_path: Path) -> None:
    for folder in ("@eaDir", "$RECYCLE.BIN", "node_modules", "x/__MACOSX", "#recycle"):
        touch(tmp_path, f"{folder}/a.jpg")
    touch(tmp_path, "photos.library/catalogue.sqlite", "photos.library/thumbnails/t.jpg", "b.jpg")
    touch(tmp_path, "node_modules.jpg")
    assert names(tmp_path, hidden=True) == ["b.jpg", "node_modules.jpg"]
    assert names(tmp_path / "photos.library") == ["thumbnails/t.jpg"], "named on purpose"


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        ([], ["2019/a.jpg", "2019/raw/b.png", "raw.jpg", "x/raw/c.jpg"]),
        (["*.png"], ["2019/a.jpg", "raw.jpg", "x/raw/c.jpg"]),
        (["raw"], ["2019/a.jpg", "raw.jpg"]),
        (["raw*"], ["2019/a.jpg"]),
        (["raw*/"], ["2019/a.jpg", "raw.jpg"]),
        (["2019/raw"], ["2019/a.jpg", "raw.jpg", "x/raw/c.jpg"]),
        (["2019/*"], ["raw.jpg", "x/raw/c.jpg"]),
        (["*/c.jpg"], ["2019/a.jpg", "2019/raw/b.png", "raw.jpg"]),
        (["201[0-8]", "RAW", ""], ["2019/a.jpg", "2019/raw/b.png", "raw.jpg", "x/raw/c.jpg"]),
        (["2019/", "?.jpg"], ["raw.jpg"]),
        (["a.jpg/", "/raw"], ["2019/a.jpg", "2019/raw/b.png", "raw.jpg", "x/raw/c.jpg"]),
        (["*"], []),
    ],
)
def test_exclude(tmp_path: Path, patterns: list[str], left: list[str]) -> None:
    touch(tmp_path, "2019/a.jpg", "2019/raw/b.png", "raw.jpg", "x/raw/c.jpg")
    assert names(tmp_path, exclude=patterns) == left


def test_exclude_by_absolute_path_and_over_line_breaks(tmp_path: Path) -> None:
    touch(tmp_path, "a/b.jpg", "c.jpg", "line\nbreak.jpg")
    assert names(tmp_path, exclude=[str(tmp_path / "a") + "/", "line*"]) == ["c.jpg"]


def test_an_excluded_folder_is_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/b.jpg", "c/d.jpg")
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
    names(tmp_path, exclude=["a"])
    assert listed == [str(tmp_path), str(tmp_path / "c")]


# ── Links ────────────────────────────────────────────────────────────────────────────────────────


def test_links_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere/one.jpg", "root/two.jpg", "root/text.txt")
    root = tmp_path / "root"
    (root / "link.jpg").symlink_to(tmp_path / "elsewhere/one.jpg")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "text.png").symlink_to("text.txt")
    (root / "plain").symlink_to("text.txt")
    assert names(root) == ["folder/one.jpg", "link.jpg", "text.png", "two.jpg"]
    sizes = {os.path.basename(e.path): e.size_bytes for e in met(root)}
    assert sizes["link.jpg"] == len("elsewhere/one.jpg"), "of the target, not of the link"


def test_broken_links(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("no\nwhere.jpg")
    (tmp_path / "album").symlink_to("/unplugged/album")
    (tmp_path / "gone.txt").symlink_to("nowhere.txt")
    (tmp_path / "self.png").symlink_to("self.png")
    (tmp_path / "ping").symlink_to("pong")
    (tmp_path / "pong").symlink_to("ping")
    (tmp_path / "odd.jpg").symlink_to(os.fsdecode(b"\xff.jpg"))
    loop = ("SymlinkLoopError", "symlink loop: leads back to itself")
    assert problems(tmp_path) == {
        "album": ("FileNotFoundError", "dangling symlink: /unplugged/album does not exist"),
        "gone.jpg": ("FileNotFoundError", r"dangling symlink: no\nwhere.jpg does not exist"),
        "odd.jpg": ("FileNotFoundError", r"dangling symlink: \xff.jpg does not exist"),
        "ping": loop,
        "pong": loop,
        "self.png": loop,
    }


def test_a_link_to_an_ancestor_is_a_loop(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/x.jpg")
    (tmp_path / "a/b/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/b/top").symlink_to("../..")
    (tmp_path / "a/here").symlink_to(".")
    assert [os.path.relpath(e.path, tmp_path) for e in met(tmp_path)] == [
        "a/b/top",
        "a/b/up",
        "a/b/x.jpg",
        "a/here",
    ]
    assert problems(tmp_path) == {
        "a/b/top": ("SymlinkLoopError", f"symlink loop: leads back to {tmp_path}"),
        "a/b/up": ("SymlinkLoopError", f"symlink loop: leads back to {tmp_path}/a"),
        "a/here": ("SymlinkLoopError", f"symlink loop: leads back to {tmp_path}/a"),
    }


def test_a_folder_reached_twice_is_walked_twice(tmp_path: Path) -> None:
    touch(tmp_path, "real/x.jpg")
    (tmp_path / "one").symlink_to("real")
    (tmp_path / "two").symlink_to("real")
    assert names(tmp_path) == ["one/x.jpg", "real/x.jpg", "two/x.jpg"]


def test_links_into_each_other_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "b/y.jpg")
    (tmp_path / "a/to_b").symlink_to("../b")
    (tmp_path / "b/to_a").symlink_to("../a")
    entries = met(tmp_path)
    assert [os.path.relpath(e.path, tmp_path) for e in entries if isinstance(e, FoundFile)] == [
        *("a/to_b/y.jpg", "a/x.jpg"),
        *("b/to_a/x.jpg", "b/y.jpg"),
    ]
    assert set(problems(tmp_path)) == {"a/to_b/to_a", "b/to_a/to_b"}


def test_a_deep_tree_does_not_exhaust_the_stack(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 50
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("x.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert names(tmp_path) == ["d/" * depth + "x.jpg"]
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)  # shutil would recurse


# ── Roots, special files, refusals ───────────────────────────────────────────────────────────────


def test_special_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "null.png").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(tmp_path)  # addresses of sockets are short
        try:
            listener.bind("s.gif")
        finally:
            os.chdir(here)
        assert problems(tmp_path) == {
            "null.png": ("SpecialFileError", "a device, not a regular file"),
            "pipe.jpg": ("SpecialFileError", "a named pipe, not a regular file"),
            "s.gif": ("SpecialFileError", "a socket, not a regular file"),
        }


def test_a_root_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", ".hidden", "b.jpg")
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", ".hidden"):
        (entry,) = walk(name, suffixes=IMAGE_SUFFIXES, exclude=["*"])
        assert (entry.path, entry.size_bytes) == (str(tmp_path / name), len(name))


def test_a_relative_root_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/b.jpg")
    monkeypatch.chdir(tmp_path / "a")
    for root in (".", "../a", "../a/"):
        assert [e.path for e in walk(root, suffixes=IMAGE_SUFFIXES)] == [str(tmp_path / "a/b.jpg")]


def test_a_root_that_is_not_there_raises_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        walk(str(tmp_path / "gone"), suffixes=IMAGE_SUFFIXES)
    (tmp_path / "link").symlink_to("gone")
    with pytest.raises(FileNotFoundError):
        walk(str(tmp_path / "link"), suffixes=IMAGE_SUFFIXES)


def test_what_vanishes_meanwhile_is_not_there(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg", "c/d.jpg", "e.jpg")
    entries = walk(str(tmp_path), suffixes=IMAGE_SUFFIXES)
    assert next(entries).path == str(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "c/d.jpg").unlink()
    (tmp_path / "c").rmdir()
    assert [e.path for e in entries] == [str(tmp_path / "e.jpg")]


def unprivileged(what: Callable[[], list[str]]) -> list[str]:
    """What `what` returns for a user whom permissions bind; root is bound by none."""
    if os.geteuid() != 0:
        return what()
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(sending, "\n".join(what()).encode())
            status = 0
        finally:
            os._exit(status)  # never return into pytest
    os.close(sending)
    with os.fdopen(receiving, encoding="utf-8") as pipe:
        lines = pipe.read().split("\n")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return lines


@pytest.fixture
def open_folder(tmp_path: Path) -> Path:
    """A folder that other users may reach: those above it are pytest's, for one user only."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder) not in ("/", "/tmp"):
            folder.chmod(folder.stat().st_mode | 0o755)
    return tmp_path


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # a user cannot be taken back
def test_permission_denied(open_folder: Path) -> None:
    root = open_folder
    touch(root, "a.jpg", "closed/b.jpg", "unsearchable/c.jpg", "unsearchable/d.txt", "z.jpg")

    def lines() -> list[str]:
        return [
            f"{os.path.relpath(entry.path, root)}: {getattr(entry, 'message', 'found')}"
            for entry in met(root)
        ]

    def refused() -> list[str]:
        try:
            walk(str(root / "closed"), suffixes=IMAGE_SUFFIXES)
        except PermissionError as error:
            return [type(error).__name__]
        return ["listed"]

    (root / "closed").chmod(0o000)
    (root / "unsearchable").chmod(0o744 if os.geteuid() == 0 else 0o600)
    try:
        assert unprivileged(lines) == [
            "a.jpg: found",
            "closed: permission denied",
            "unsearchable/c.jpg: permission denied",
            "z.jpg: found",
        ]
        assert unprivileged(refused) == ["PermissionError"]
    finally:
        (root / "closed").chmod(0o755)
        (root / "unsearchable").chmod(0o755)
