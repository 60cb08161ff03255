"""docs/satipatthana.md: its program runs, and the tests that it names exist."""

import ast
import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "satipatthana.md"


def test_the_first_program_runs_and_distrusts_the_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0]
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(program, "first program", "exec"), {"__name__": "__main__"})
    trust, answer = printed.getvalue().splitlines()
    found = re.fullmatch(r"trust: (0\.\d\d) known, (0\.\d\d) unknown", trust)
    assert found, trust
    assert float(found[1]) > float(found[2]) + 0.3
    assert answer == "I don't know"
    assert {path.name for path in tmp_path.iterdir()} == {"three_kinds.pt", "three_kinds.html"}


def test_every_reading_names_tests_that_exist() -> None:
    readings = re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    assert [reading[:2] for reading in readings] == [f"{number}." for number in range(1, 8)]
    for reading in readings:
        named = re.findall(r"\[test_\w+\.py\]\(([^)]+)\): `(test_\w+)`", reading)
        assert len(named) >= 2, reading.splitlines()[0]
        for link, name in named:
            tree = ast.parse((PAGE.parent / link).read_text())
            defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert name in defined, f"{link} has no {name}"
