"""What commands that train a file have in common: where it may lie, and what was left out."""

from collections.abc import Sequence
from pathlib import Path

import typer

SHOWN_FAILURES = 10
"""Images left out that are named; the report has them all."""


def require_writable(out: Path, page: Path, force: bool) -> None:
    """Everything that would be a pity to find out after hours. Raises typer.BadParameter."""
    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder: name a file", param_hint="--out")
    if out.exists() and not force:
        raise typer.BadParameter(f"{out} exists: --force writes over it", param_hint="--out")
    if page.suffix != ".html":
        raise typer.BadParameter(f"{page} is no .html file", param_hint="--report")
    for path in (out, page):
        if not path.absolute().parent.is_dir():
            raise typer.BadParameter(f"the folder {path.absolute().parent} does not exist: make it")


def work_folder(out: Path) -> Path:
    """Where what was asked once is kept, unless another folder is named."""
    return out.with_name(f"{out.name}.work")


def tell_of_failures(failures: Sequence[str], others: str) -> None:
    """Names the first images left out; `others` says where the rest can be read."""
    from retrieval.cli.output import note

    for failure in failures[:SHOWN_FAILURES]:
        note(f"left out {failure}")
    if len(failures) > SHOWN_FAILURES:
        note(f"left out {len(failures) - SHOWN_FAILURES} more: {others}")
