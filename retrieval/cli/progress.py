"""A progress bar on stderr, with rate and time left."""

from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from indexer.progress import Progress


class RateColumn(ProgressColumn):
    """Files a second, over the bar's recent past."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f}/s", style="progress.data.speed")


class BarProgress(Progress):
    """Shows how far a build is. In a pipe it keeps quiet, as rich does."""

    def __init__(self, what: str, stop_requested: Callable[[], bool]) -> None:
        self._stop_requested = stop_requested
        self._what = what
        self._n_failed = 0
        console = Console(stderr=True)
        self._bar = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            RateColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
            expand=True,
        )
        self._task = self._bar.add_task("looking for changes", total=None)

    def __enter__(self) -> "BarProgress":
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def start(self, total: int) -> None:
        self._bar.reset(self._task, total=total, description=self._what)

    def enter(self, stage: str, total: int) -> None:
        self._what, self._n_failed = stage, 0
        self.start(total)

    def advance(self, n_files: int, n_failed: int) -> None:
        self._n_failed += n_failed
        failed = f" ({self._n_failed} failed)" if self._n_failed else ""
        self._bar.update(self._task, advance=n_files, description=self._what + failed)

    def stop_requested(self) -> bool:
        return self._stop_requested()
