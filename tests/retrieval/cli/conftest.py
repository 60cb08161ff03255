"""Runs the real command line in this process, with the stand-in encoder behind every name."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from retrieval.cli import main as command_line
from tests.stand_ins import ColourEncoder


class Run(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Spectrum = Callable[..., Run]


@pytest.fixture
def spectrum(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Spectrum:
    """Calls `spectrum ARGUMENTS...` with a library of the test's own."""
    monkeypatch.setattr("retrieval.library.load_encoder", lambda name: ColourEncoder())
    monkeypatch.setenv("SPECTRUM_LIBRARY", str(tmp_path / "cli.library"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Run:
        monkeypatch.setattr("sys.argv", ["spectrum", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        out, err = capsys.readouterr()
        return Run(int(stopped.value.code or 0), out, err)

    return run
