"""The ledger of equations against the code: what it names exists and says the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
LEDGER = ROOT / "docs" / "equations.md"
PACKAGES = ["spectrum", "indexer", "retrieval", "satipatthana"]
LABEL = r"(?:CASTLE|PRISM|NEXUS|ORACLE|HARMONY|SPECTRUM|SATIPATTHANA) \d\.\d[a-z]"
Definition = ast.FunctionDef | ast.ClassDef


class Place(NamedTuple):
    """A function or class, as the ledger names it: a link to the file, then the name."""

    path: Path
    name: str


class Row(NamedTuple):
    """One line of the ledger."""

    label: str
    code: Place
    loop: Place | None
    test: Place
    departures: str


def place(cell: str) -> Place | None:
    """None where the cell says `none` and why."""
    if cell.startswith("none: "):
        return None
    found = re.fullmatch(r"\[[^]]+\]\(([^)]+)\): `(\w+)`", cell)
    assert found, f"neither a link with a name nor 'none: why': {cell}"
    return Place((LEDGER.parent / found[1]).resolve(), found[2])


def rows() -> Iterator[Row]:
    for line in LEDGER.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] not in {"label", "---"}:
            label, _, code, loop, test, departures = cells
            places = place(code), place(test)
            assert places[0], f"{label} has no code"
            assert places[1], f"{label} has no test"
            yield Row(label, places[0], place(loop), places[1], departures)


def definition(wanted: Place) -> Definition:
    for node in ast.walk(ast.parse(wanted.path.read_text())):
        if isinstance(node, Definition) and node.name == wanted.name:
            return node
    raise AssertionError(f"{wanted.path.relative_to(ROOT)} has no {wanted.name}")


def docstring(node: Definition) -> str:
    """In one line, so that a label broken by a line's end is found."""
    return " ".join((ast.get_docstring(node) or "").split())


ROWS = list(rows())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code.name)
def test_the_function_carries_its_label(row: Row) -> None:
    said = docstring(definition(row.code))
    assert row.label in said, f"the docstring of {row.code.name} does not say '{row.label}'"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code.name)
def test_the_departures_are_those_of_the_docstring(row: Row) -> None:
    said = docstring(definition(row.code))
    if row.departures == "none" or row.departures.startswith("none;"):
        assert not re.search(r"Departure: (?!none)", said), "the docstring states a departure"
    else:
        assert "Departure: none" not in said, "the docstring denies a departure"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.code.name)
def test_the_test_compares_the_function_with_its_loop(row: Row) -> None:
    """Both names stand in the body of the test that the ledger gives."""
    body = ast.unparse(definition(row.test))
    assert row.code.name in body
    if row.loop:
        definition(row.loop)
        assert row.loop.name in body


def test_every_labelled_function_is_in_the_ledger() -> None:
    listed = {(row.label, row.code.path, row.code.name) for row in ROWS}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, Definition):
                    said = ast.get_docstring(node) or ""
                    for label in re.findall(rf"^\s*({LABEL}):", said, re.MULTILINE):
                        assert (label, path, node.name) in listed, f"{path.name}: {node.name}"


EQUATIONS = {
    "CASTLE": ["1.1a", "1.1b", "1.2a", "1.2b", "1.3a", "1.3b", "1.3c"],
    "PRISM": ["2.1a", "2.1b", "2.1c", "2.1d", "2.2a", "2.2b", "2.2c", "2.3a", "2.3b", "2.3c"],
    "NEXUS": [*(f"3.1{letter}" for letter in "abcd"), "3.2a", "3.2b", "3.2c", "3.3a", "3.3b"],
    "ORACLE": [
        *("4.1a", "4.1b", "4.1c"),
        *(f"4.2{letter}" for letter in "abcd"),
        *("4.3a", "4.3b", "4.3c"),
    ],
    "HARMONY": ["5.1a", "5.1b", "5.2a", "5.2b", "5.3a", "5.3b", "5.3c"],
    "SPECTRUM": ["6.1a", "6.2a", "6.2b", *(f"6.3{letter}" for letter in "abcde")],
    "SATIPATTHANA": [
        *("4.3a", "4.3b", "4.3c"),
        *(f"4.6{letter}" for letter in "abcdefgh"),
        *("5.1a", "5.1b", "5.1c"),
        *(f"5.2{letter}" for letter in "abcde"),
        *(f"5.3{letter}" for letter in "abcd"),
    ],
}
"""What each source asks for."""


@pytest.mark.parametrize("source", EQUATIONS)
def test_the_source_is_complete(source: str) -> None:
    labels = {row.label for row in ROWS}
    assert labels >= {f"{source} {number}" for number in EQUATIONS[source]}
