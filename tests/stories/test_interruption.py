"""Ctrl-C and SIGTERM: what is done is saved and can be searched, and the next run goes on."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from retrieval import Library
from tests.stories.doomed_runs import (
    BATCH_SIZE,
    CountingEncoder,
    command_line,
    exit_code,
    n_lines,
    options,
    started,
)
from tests.stories.test_faults import draw

N_PICTURES = 24
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    draw(tmp_path / "pictures", range(N_PICTURES))
    return tmp_path / "pictures"


def index_command(folder: Path) -> list[str]:
    where = [str(folder / "pictures"), "--library", str(folder / "test.library")]
    return ["index", *where, "--batch-size", str(BATCH_SIZE)]


def started_index(folder: Path, seconds_per_batch: float) -> BaseProcess:
    """`spectrum index`, of which the third batch is being encoded."""
    arguments = index_command(folder), folder / "said", folder / "tally", seconds_per_batch
    process = started(command_line, *arguments)
    wait_for_lines(folder / "tally", 3 * BATCH_SIZE)
    return process


def wait_for_lines(tally: Path, n: int) -> None:
    for _ in range(6000):
        if n_lines(tally) >= n:
            return
        time.sleep(0.01)
    raise TimeoutError(f"{n_lines(tally)} of {n} images were encoded in a minute")


def assert_goes_on(folder: Path, least: int) -> None:
    """Whole batches were kept, can be searched, and the rest is done by another run."""
    tally = folder / "second tally"
    with Library.open(folder / "test.library", encoder=CountingEncoder(tally)) as library:
        present = library.status().present
        assert least <= present < N_PICTURES
        assert present % BATCH_SIZE == 0
        assert len(library.search("red", top=100, duplicates=True).hits) == present
        report = library.index(folder / "pictures", options=options())
        assert (report.encoded, report.unchanged) == (N_PICTURES - present, present)
        assert len(library.search("red", top=100, duplicates=True).hits) == N_PICTURES
    assert n_lines(tally) == N_PICTURES - present


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_batch_finish(
    tmp_path: Path, pictures: Path, number: signal.Signals
) -> None:
    process = started_index(tmp_path, seconds_per_batch=0.5)
    os.kill(process.pid or 0, number)
    assert exit_code(process) == 130
    said = (tmp_path / "said").read_text().splitlines()
    assert said[-1] == ("interrupted: what is done is saved; run the same command again to go on")
    assert said[0].endswith(" indexed")
    assert_goes_on(tmp_path, least=3 * BATCH_SIZE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_the_second_signal_acts_at_once(
    tmp_path: Path, pictures: Path, number: signal.Signals, code: int
) -> None:
    arguments = index_command(tmp_path), tmp_path / "said", tmp_path / "tally", 1000.0
    process = started(command_line, *arguments)
    wait_for_lines(tmp_path / "tally", BATCH_SIZE)
    os.kill(process.pid or 0, number)
    process.join(0.5)
    assert process.is_alive()
    os.kill(process.pid or 0, number)
    assert exit_code(process) == code
    assert_goes_on(tmp_path, least=0)


def test_a_process_of_its_own(tmp_path: Path, pictures: Path) -> None:
    """As from a shell: through the interpreter's own shutdown, not a forked child's."""
    program = (
        "import sys; from pathlib import Path;"
        "from tests.stories.doomed_runs import command_line;"
        "command_line(sys.argv[3:], Path(sys.argv[1]), Path(sys.argv[2]), 0.5)"
    )
    files = [str(tmp_path / "said"), str(tmp_path / "tally")]
    command = [sys.executable, "-c", program, *files, *index_command(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        wait_for_lines(tmp_path / "tally", 2 * BATCH_SIZE)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert "interrupted: what is done is saved" in (tmp_path / "said").read_text()
    assert_goes_on(tmp_path, least=2 * BATCH_SIZE)


def test_watching_indexes_what_is_added_until_ctrl_c(tmp_path: Path, pictures: Path) -> None:
    arguments = [*index_command(tmp_path), "--watch"]
    process = started(command_line, arguments, tmp_path / "said", tmp_path / "tally", 0.0)
    wait_for_lines(tmp_path / "tally", N_PICTURES)
    for i in range(N_PICTURES, N_PICTURES + 60):
        # The watcher may not be listening yet, and nothing says when it does.
        draw(pictures, range(i, i + 1))
        process.join(0.5)
        if n_lines(tmp_path / "tally") > N_PICTURES:
            break
    os.kill(process.pid or 0, signal.SIGINT)
    assert exit_code(process) == 130
    said = (tmp_path / "said").read_text()
    assert "watching for changes; Ctrl-C ends it" in said
    with Library.open(
        tmp_path / "test.library", encoder=CountingEncoder(tmp_path / "t")
    ) as library:
        assert library.status().present > N_PICTURES
