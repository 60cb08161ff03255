"""Results on stdout, notes on stderr: tables for people, formats for programs."""

import csv
import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from retrieval.answer import Answer, Hit, Why
from retrieval.cli.options import Format

if TYPE_CHECKING:
    from retrieval.ranking.protocol import Kind

SHOWN_NEIGHBOURS = 3
"""That moved a hit, in a table."""


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
    answer: Answer,
    format: Format,
    *,
    nul: bool = False,
    explain: bool = False,
    asked: "Collection[Kind]" = ("text", "image"),
    filtered: bool = False,
) -> None:
    """Prints an answer in any format; `filtered` says that not the whole library was searched.

    `asked` are the kinds of the query's parts: a table tells the weights that hold for these.
    """
    rows = [_row(hit, explain) for hit in answer.hits]
    match format:
        case Format.JSON:
            said = {
                "hits": rows,
                "trust": asdict(answer.trust) if answer.trust else None,
                "ungated": answer.ungated,
                "n_weak": answer.n_weak,
                "n_searched": answer.n_searched,
                "seconds": answer.seconds,
            }
            if explain:
                said["unexplained"] = answer.unexplained
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
        case Format.TABLE if rows:
            printed(_table(answer, asked if explain else None))
        case Format.TABLE if answer.trust is None or answer.trust.accepted:
            empty = "no picture fits the filter" if filtered else "the library holds no picture"
            note(f"nothing found: {empty}")
    _tell_trust(answer, explain)
    if answer.unexplained and answer.hits:
        note(f"explained no further: {answer.unexplained}")


def _tell_trust(answer: Answer, explain: bool) -> None:
    """Says on stderr why a query was refused, or what was left out.

    That a library without captions judges no words is said by `index` and `status`, not here again
    with every search, unless everything is to be explained.
    """
    from retrieval.rejection.state import TAUGHT_NOTHING

    trust = answer.trust
    if answer.ungated and (explain or answer.ungated not in TAUGHT_NOTHING):
        note(f"not judged: {answer.ungated}")
    if trust is not None and not trust.accepted:
        reasons = "; ".join(trust.reasons)
        note(f"nothing here matches: {reasons} (trust {trust.trust:.3f} < {trust.threshold:.3f})")
        if not answer.hits:
            note("--show-rejected shows the nearest pictures all the same")
    if answer.n_weak:
        hits = "hit" if answer.n_weak == 1 else "hits"
        note(f"{answer.n_weak} weak {hits} left out: --show-rejected shows all")


_EMPTY = Hit(rank=0, path="", similarity=0.0, image_id=0)


def _row(hit: Hit, explain: bool) -> dict[str, Any]:
    row = asdict(hit)
    row["score"] = row.pop("similarity")
    row["copies"], row["near"] = list(hit.copies), list(hit.near)
    parts, why = row.pop("parts"), row.pop("why")
    return row | ({"parts": list(parts), "why": why} if explain else {})


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value)
    return (
        value.encode(errors="surrogateescape").decode(errors="backslashreplace")
        if isinstance(value, str)
        else value
    )


def _table(answer: Answer, asked: "Collection[Kind] | None") -> Table:
    """A row for each hit; below it why it is there, if `asked` says what of it counts."""
    explain = asked is not None
    table = Table(box=None, pad_edge=False)
    table.add_column("score", justify="right")
    if explain:
        table.add_column("parts", justify="right")
    table.add_column("path", overflow="fold")
    for hit in answer.hits:
        cells = [f"{hit.similarity:.3f}"]
        if explain:
            cells.append(" ".join(f"{part:.3f}" for part in hit.parts))
        table.add_row(*cells, escape(shown(hit.path)) + _companions(hit))
        if asked is not None and hit.why is not None:
            lines = why_lines(hit.why, asked, refined=not answer.unexplained)
            if lines:
                table.add_row(*("" for _ in cells), _why_grid(lines))
    return table


def _why_grid(lines: Sequence[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold", style="dim")
    for name, said in lines:
        grid.add_row(name, escape(shown(said)))
    return grid


def why_lines(why: Why, asked: "Collection[Kind]", *, refined: bool) -> list[tuple[str, str]]:
    """What is told of a hit to people: names, and a line each; `refined` is said of its library."""
    lines = [("caption", caption) for caption in why.captions]
    if refined and not why.text_weights:
        lines.append(("not refined yet:", "see 'spectrum index'"))
    weights = {"text": ("by words", why.text_weights), "image": ("by image", why.image_weights)}
    for kind, (name, layers) in weights.items():
        if kind in asked and layers:
            per_cent = {layer: round(100 * share) for layer, share in layers.items()}
            heaviest = sorted(filter(per_cent.get, per_cent), key=lambda layer: -per_cent[layer])
            shares = ", ".join(f"{layer} {per_cent[layer]}" for layer in heaviest)
            lines.append((name, f"{shares} %"))
    for each in why.neighbours[:SHOWN_NEIGHBOURS]:
        path = each.path or f"picture {each.image_id}, whose file is missing"
        lines.append((f"moved {each.influence:.4f}", path))
    return lines


def _companions(hit: Hit) -> str:
    """How many other files show the same."""
    counts = {
        "copy" if len(hit.copies) == 1 else "copies": len(hit.copies),
        "nearly the same": len(hit.near),
    }
    said = ", ".join(f"+{count} {what}" for what, count in counts.items() if count)
    return f"  ({said})" if said else ""
