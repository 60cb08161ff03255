"""What changed in a folder since it was last indexed, from one walk and one load; opens no file.

on disk, as known              known before        becomes
same size and mtime            present             unchanged
same size and mtime            missing, deleted    returned (nothing is encoded again)
same size and mtime            failed              standing, unless the decoder is newer
new, or size or mtime differ   anything            work
cannot be reached              anything            unreachable, unless known for that reason
not there                      present, failed     vanished
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from indexer.errors import RootLostError
from indexer.records import KnownFile
from indexer.walk import FoundFile, UnreachableFile

LOST_FRACTION = 0.2
"""A folder that lost more than this share of its files is taken for a fault, not for tidying."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One folder, sorted by what has to be done. Lists keep the order of the walk."""

    root: str
    device: int | None
    """st_dev of the folder; None if it is absent."""
    n_known: int
    """Files that were present or failed before."""
    n_found: int
    """Files that the walk saw, readable or not."""
    unchanged: int
    standing: int
    """Files that failed before and are not tried again."""
    work: list[FoundFile] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    unreachable: list[UnreachableFile] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    """Files that were present, or failed, and are not there now."""


def compare(
    root: str,
    entries: Sequence[FoundFile | UnreachableFile],
    known: dict[str, KnownFile],
    *,
    decoder: str,
    retry_failed: bool,
) -> Survey:
    """Sorts the entries of a walk by the table above.

    `known` holds every file that the catalogue has at or below `root`; `decoder` names the
    versions that would decode now.
    """
    work: list[FoundFile] = []
    returned: list[str] = []
    unreachable: list[UnreachableFile] = []
    seen: set[str] = set()
    unchanged = standing = 0
    for entry in entries:
        seen.add(entry.path)
        before = known.get(entry.path)
        if isinstance(entry, UnreachableFile):
            if before and before.message == entry.message and not retry_failed:
                standing += 1
            else:
                unreachable.append(entry)
        elif before is None or not _same(entry, before):
            work.append(entry)
        elif before.state == "failed":
            if retry_failed or before.decoder != decoder:
                work.append(entry)
            else:
                standing += 1
        elif not before.encoded:
            work.append(entry)
        elif before.state == "present":
            unchanged += 1
        else:
            returned.append(entry.path)
    alive = [path for path, file in known.items() if file.state in ("present", "failed")]
    # Nothing is known of files below a folder that cannot be entered: they stay as they were.
    shut = tuple(f"{e.path}/" for e in entries if isinstance(e, UnreachableFile))
    return Survey(
        root=root,
        device=_device(root),
        n_known=len(alive),
        n_found=len(seen),
        unchanged=unchanged,
        standing=standing,
        work=work,
        returned=returned,
        unreachable=unreachable,
        vanished=[path for path in alive if path not in seen and not path.startswith(shut)],
    )


def refuse_lost_root(survey: Survey, device_before: int | None, n_moved: Callable[[], int]) -> None:
    """Raises RootLostError if the folder looks unplugged or emptied rather than tidied up.

    That is: absent or without any image where there were some, or on another device with files
    gone, or more than a fifth of its files gone. Files that only moved within the folder are not
    gone; `n_moved` counts them, and is called only where it could change the answer.
    """
    if survey.device is None and survey.n_known:
        raise RootLostError(_advice(survey, "is not there; is its disk plugged in?"))
    if not survey.vanished:
        return
    if survey.n_found == 0:
        raise RootLostError(_advice(survey, "holds no image any more; is its disk mounted?"))
    if device_before not in (None, survey.device):
        raise RootLostError(
            _advice(survey, f"is on another device, with {len(survey.vanished)} files gone")
        )
    if len(survey.vanished) <= LOST_FRACTION * survey.n_known:
        return
    lost = len(survey.vanished) - n_moved()
    if lost > LOST_FRACTION * survey.n_known:
        raise RootLostError(_advice(survey, f"lost {lost} files"))


def _same(entry: FoundFile, before: KnownFile) -> bool:
    return entry.size_bytes == before.size_bytes and entry.mtime_ns == before.mtime_ns


def _device(root: str) -> int | None:
    try:
        return os.stat(root).st_dev
    except OSError:
        return None


def _advice(survey: Survey, what: str) -> str:
    return (
        f"{survey.root} {what} ({survey.n_known} files were known there); nothing was changed."
        " If that is meant, run again with --prune"
    )
