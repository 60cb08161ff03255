"""Which files: one pass over a folder, without opening anything."""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate

SKIPPED_FOLDERS = frozenset(
    {
        *("#recycle", "$recycle.bin", "@eadir", "@tmp", "lost+found", "system volume information"),
        *("__macosx", "__pycache__", "node_modules"),
    }
)
"""Names, in lower case, of folders that hold what machines put there: bins, thumbnails, code."""

LIBRARY_MARK = "catalogue.sqlite"
"""A folder with a file of this name is a Spectrum library: its thumbnails are no photographs."""

Identity = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True, kw_only=True)
class FoundFile:
    """A regular file, or a link to one, whose name promises a picture."""

    path: str
    """Absolute; bytes that are not UTF-8 are surrogates, as `os.fsdecode` makes them."""
    size_bytes: int
    """Size of the file that links lead to."""
    mtime_ns: int
    """Its last change, nanoseconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class UnreachableFile:
    """A name that should have led to a picture, or to a folder, and did not."""

    path: str
    """Absolute, as in `FoundFile`."""
    error_class: str
    """Name of the Python exception, or `SymlinkLoopError`, `SpecialFileError`."""
    message: str
    """One line for people, always valid UTF-8."""


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """What the caller asked for, compiled."""

    root: str
    excluded: Callable[[str, str, bool], bool]
    hidden: bool
    suffixes: frozenset[str]

    def promises_picture(self, name: str) -> bool:
        return os.path.splitext(name)[1].lower() in self.suffixes

    def leaves_out(self, entry: os.DirEntry[str], is_folder: bool) -> bool:
        if entry.name.startswith(".") and not self.hidden:
            return True
        if is_folder and entry.name.lower() in SKIPPED_FOLDERS:
            return True
        return self.excluded(entry.path, entry.name, is_folder)


@dataclass(frozen=True, kw_only=True)
class _Folder:
    """An open folder on the way from the root to here."""

    path: str
    identity: Identity
    entries: Iterator[tuple[os.DirEntry[str], bool]]
    """What is still to be visited, and whether it is a folder."""


def walk(
    root: str,
    *,
    exclude: Sequence[str] = (),
    hidden: bool = False,
    suffixes: frozenset[str],
) -> Iterator[FoundFile | UnreachableFile]:
    """The pictures under `root`, ordered by the bytes of their paths; nothing is opened.

    A name counts if its suffix, in any case, is in `suffixes`. Left out: names with a leading dot
    unless `hidden`; `SKIPPED_FOLDERS`; folders below the root that are Spectrum libraries; and
    whatever a pattern of `exclude` matches. Patterns are the shell's, as in Python's `fnmatch`:
    `*`, `?`, `[a-z]`, case matters, and `*` crosses folder borders. Each is tried on the name, on
    the path relative to the root with `/` between folders, and on the absolute path. A trailing
    `/` makes it match folders only. A folder that is left out is not entered.

    Links are followed. A link back to a folder that contains it is an `UnreachableFile`; a folder
    reached by two paths is walked under both. A broken link counts if its name has a known suffix
    or no suffix at all, since it may have stood for a folder. Files that vanish meanwhile are
    simply not there. If `root` is itself a file it is the only one found, whatever its name.

    Raises:
        OSError: `root` does not exist or cannot be listed (at the call, not at the first step).
    """
    top = os.path.abspath(os.fsdecode(root))
    found = os.stat(top)
    if not stat.S_ISDIR(found.st_mode):
        return iter((_file(top, found),))
    rules = _Rules(root=top, excluded=_exclusion(top, exclude), hidden=hidden, suffixes=suffixes)
    return _walk(_Folder(path=top, identity=_identity(found), entries=_listing(top)), rules)


def _walk(top: _Folder, rules: _Rules) -> Iterator[FoundFile | UnreachableFile]:
    open_folders = [top]
    while open_folders:
        step = next(open_folders[-1].entries, None)
        if step is None:
            open_folders.pop()
            continue
        entry, is_folder = step
        if rules.leaves_out(entry, is_folder):
            continue
        if not is_folder:
            if (met := _visited_file(entry, rules)) is not None:
                yield met
            continue
        try:
            opened = _opened(entry.path, open_folders)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield _unreachable(entry.path, error)
            continue
        if isinstance(opened, UnreachableFile):
            yield opened
        elif opened is not None:
            open_folders.append(opened)


def _opened(path: str, open_folders: Sequence[_Folder]) -> _Folder | UnreachableFile | None:
    """The folder, listed; None for a Spectrum library. Raises OSError."""
    identity = _identity(os.stat(path))
    for ancestor in open_folders:
        if ancestor.identity == identity:
            return UnreachableFile(
                path=path,
                error_class="SymlinkLoopError",
                message=f"symlink loop: leads back to {_printable(ancestor.path)}",
            )
    if os.path.lexists(os.path.join(path, LIBRARY_MARK)):
        return None
    return _Folder(path=path, identity=identity, entries=_listing(path))


def _listing(path: str) -> Iterator[tuple[os.DirEntry[str], bool]]:
    """The entries of a folder, so ordered that whole paths come in the order of their bytes."""
    with os.scandir(path) as entries:
        listed = [(entry, _is_folder(entry)) for entry in entries]
    # "a/x" comes after "a.jpg" as bytes, since "/" is greater than ".": so a folder's slash counts.
    listed.sort(key=lambda item: os.fsencode(item[0].name) + (b"/" if item[1] else b""))
    return iter(listed)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that cannot be followed; the reason is told when it is visited
        return False


def _visited_file(entry: os.DirEntry[str], rules: _Rules) -> FoundFile | UnreachableFile | None:
    """What is known of a name that is no folder; None if it is no concern of ours."""
    promising = rules.promises_picture(entry.name)
    perhaps_a_folder = entry.is_symlink() and not os.path.splitext(entry.name)[1]
    if not (promising or perhaps_a_folder):
        return None
    try:
        found = entry.stat()
    except OSError as error:
        vanished = isinstance(error, FileNotFoundError) and not entry.is_symlink()
        return None if vanished else _unreachable(entry.path, error)
    return _file(entry.path, found) if promising else None


def _file(path: str, found: os.stat_result) -> FoundFile | UnreachableFile:
    if stat.S_ISREG(found.st_mode):
        return FoundFile(path=path, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
    return UnreachableFile(
        path=path, error_class="SpecialFileError", message=f"{kind}, not a regular file"
    )


def _unreachable(path: str, error: OSError) -> UnreachableFile:
    """The operating system's refusal in words."""
    if error.errno == errno.ELOOP:
        return UnreachableFile(
            path=path, error_class="SymlinkLoopError", message="symlink loop: leads back to itself"
        )
    if isinstance(error, FileNotFoundError):
        message = "dangling symlink: its target does not exist"
        with suppress(OSError):
            message = f"dangling symlink: {_printable(os.readlink(path))} does not exist"
    elif isinstance(error, PermissionError):
        message = "permission denied"
    else:
        message = error.strerror or type(error).__name__
    return UnreachableFile(path=path, error_class=type(error).__name__, message=message)


def _exclusion(root: str, patterns: Sequence[str]) -> Callable[[str, str, bool], bool]:
    """A function of (path, name, is a folder): does any pattern match?"""
    anything = [pattern for pattern in patterns if not pattern.endswith("/")]
    folders = [pattern.rstrip("/") for pattern in patterns if pattern.endswith("/")]
    for_files, for_folders = _any_of(anything), _any_of(anything + folders)
    skip = len(os.path.join(root, ""))

    def excluded(path: str, name: str, is_folder: bool) -> bool:
        matcher = for_folders if is_folder else for_files
        if matcher is None:
            return False
        said = (name, path[skip:].replace(os.sep, "/"), path.replace(os.sep, "/"))
        return any(matcher.match(text) for text in said)

    return excluded


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    spoken = [translate(pattern) for pattern in patterns if pattern]
    return re.compile("|".join(spoken)) if spoken else None


def _identity(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _printable(path: str) -> str:
    """A path for messages: surrogates, which no database takes, and line breaks are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
