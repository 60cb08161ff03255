"""`spectrum status`: how a library stands, and which files it could not take."""

import csv
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retrieval.cli.options import Format, FormatOption, LibraryOption, NulOption

if TYPE_CHECKING:
    from indexer.refinement_status import RefinementStatus
    from indexer.stacks import StackFile
    from retrieval.library import Library
    from retrieval.library_status import LibraryStatus
    from retrieval.rejection.state import TrustStatus


def status(
    failed: Annotated[
        bool, typer.Option("--failed", help="List files that could not be indexed, with reasons.")
    ] = False,
    missing: Annotated[
        bool, typer.Option("--missing", help="List files that were there and are gone.")
    ] = False,
    format: FormatOption = Format.TABLE,
    nul: NulOption = False,
    library: LibraryOption = None,
) -> None:
    """Show how the library stands."""
    from retrieval.library import Library

    with Library.open(library, create=False) as opened:
        if failed:
            rows = [asdict(row) for row in opened.failures()]
            _write_rows(rows, ["path", "stage", "error_class", "message"], format, nul)
        elif missing:
            gone = [{"path": path, "since": since} for path, since in opened.catalogue.missing()]
            _write_rows(gone, ["path", "since"], format, nul)
        else:
            _write_status(opened.status(), format, _trust(opened))


def _trust(library: "Library") -> "TrustStatus":
    """How the calibration stands; one that cannot be read hides nothing of the rest."""
    from retrieval.rejection.calibration import CalibrationError
    from retrieval.rejection.state import TrustStatus

    try:
        return library.trust_status()
    except CalibrationError as error:
        return TrustStatus(sentence=f"nothing is refused: {error}", calibrated=False)


def _write_status(status: "LibraryStatus", format: Format, trust: "TrustStatus") -> None:
    from rich.table import Table

    from retrieval.cli.output import json_text, printed, shown

    if format is not Format.TABLE:
        print(json_text(asdict(status) | {"trust": asdict(trust)}))
        return
    encoder = status.encoder
    rows = {
        "library": shown(status.folder),
        "size": f"{status.bytes / 1e6:.1f} MB",
        "encoder": f"{encoder.name} ({encoder.weights_hash[:8]})" if encoder else "none yet",
        "folders": "\n".join(shown(root) for root in status.roots) or "none yet",
        "pictures": f"{status.images:,} in {status.present:,} files",
        "missing": f"{status.missing:,}",
        "deleted": f"{status.deleted:,}",
        "failed": f"{status.failed:,}",
    }
    rows["refusal"] = trust.sentence
    if status.refinement is not None:
        rows["refined"] = _refined(status.refinement)
    if status.stack is not None:
        rows["stack"] = _stack(status.stack)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, value)
    printed(table)


def _stack(stack: "StackFile") -> str:
    from retrieval.cli.output import shown

    said = f"{shown(stack.path)} ({stack.weights_hash[:8]})"
    if os.path.isfile(stack.path):
        return said
    return f"{said}\nthe file is gone: name another with 'spectrum refine --stack FILE'"


def _refined(refinement: "RefinementStatus") -> str:
    said = [
        f"{refinement.refined:,} pictures, over bank {refinement.version}"
        f" of {refinement.bank_size:,} ({refinement.budget}, {refinement.made_at})"
    ]
    drift = {
        "not refined": refinement.unrefined,
        "added since": refinement.added,
        "deleted since": refinement.removed,
    }
    if any(drift.values()):
        counts = ", ".join(f"{count:,} {what}" for what, count in drift.items() if count)
        said.append(f"{counts}: 'spectrum refine' takes them in")
    return "\n".join(said)


def _write_rows(rows: list[dict[str, Any]], columns: list[str], format: Format, nul: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from retrieval.cli.output import json_text, printed, shown, write_paths

    plain = [{key: _plain(value) for key, value in row.items()} for row in rows]
    if nul or format is Format.PATHS:
        write_paths([row["path"] for row in rows], nul=nul)
    elif format is Format.JSON:
        print(json_text(plain))
    elif format is Format.JSONL:
        for row in plain:
            print(json.dumps(row))
    elif format is Format.CSV:
        writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "path": shown(row["path"])} for row in plain)
    else:
        table = Table(box=None, pad_edge=False)
        for column in columns:
            table.add_column(column.replace("error_class", "error"), overflow="fold")
        for row in plain:
            table.add_row(*(escape(shown(str(row[column]))) for column in columns))
        printed(table)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int) else value.isoformat(timespec="seconds")
