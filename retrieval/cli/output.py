"""Results on stdout, notes on stderr: tables for people, formats for programs."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retrieval.answer import Answer, Hit
from retrieval.cli.options import Format


def note(message: str, *, heading: bool = False) -> None:
    """Says something to people, on stderr, on one line; a heading stands off from what is above."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if heading:
        console.print()
    console.print(escape(shown(message)), style="bold" if heading else None)


def printed(table: Table) -> None:
    """Prints a table on stdout; as wide as the terminal, or as its content in a pipe."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=1000)
    console.print(table)


def shown(path: str) -> str:
    """A path as people can read it: control characters and undecodable bytes are escaped."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in path
    )


def json_text(value: Any) -> str:
    """JSON in ASCII: undecodable bytes of paths are \\udcXX, which Python's json reads back."""
    return json.dumps(value, ensure_ascii=True, indent=2)


def write_paths(paths: Sequence[str], *, nul: bool) -> None:
    """The bytes of each path, ended by a newline, or by NUL."""
    end = b"\0" if nul else b"\n"
    sys.stdout.flush()
    for path in paths:
        sys.stdout.buffer.write(path.encode(errors="surrogateescape") + end)
    sys.stdout.flush()


def write_answer(
    answer: Answer, format: Format, *, nul: bool = False, explain: bool = False
) -> None:
    """Prints an answer in any format."""
    rows = [_row(hit, explain) for hit in answer.hits]
    match format:
        case Format.JSON:
            said = {
                "hits": rows,
                "trust": answer.trust,
                "n_searched": answer.n_searched,
                "seconds": answer.seconds,
            }
            print(json_text(said))
        case Format.JSONL:
            for row in rows:
                print(json.dumps(row))
        case Format.CSV:
            columns = list(_row(_EMPTY, explain))
            writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow({key: _cell(value) for key, value in row.items()})
        case Format.PATHS:
            write_paths([hit.path for hit in answer.hits], nul=nul)
        case Format.TABLE if not rows:
            note("nothing found: the library holds no picture")
        case Format.TABLE:
            printed(_table(answer, explain))


_EMPTY = Hit(rank=0, path="", similarity=0.0, image_id=0)


def _row(hit: Hit, explain: bool) -> dict[str, Any]:
    row = asdict(hit)
    row["score"] = row.pop("similarity")
    row["copies"] = list(hit.copies)
    parts = row.pop("parts")
    return row | ({"parts": list(parts)} if explain else {})


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return json.dumps(value)
    return (
        value.encode(errors="surrogateescape").decode(errors="backslashreplace")
        if isinstance(value, str)
        else value
    )


def _table(answer: Answer, explain: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("score", justify="right")
    if explain:
        table.add_column("parts", justify="right")
    table.add_column("path", overflow="fold")
    for hit in answer.hits:
        cells = [f"{hit.similarity:.3f}"]
        if explain:
            cells.append(" ".join(f"{part:.3f}" for part in hit.parts))
        more = f"  (+{len(hit.copies)} copies)" if hit.copies else ""
        table.add_row(*cells, escape(shown(hit.path)) + more)
    return table
