"""One progress bar after the other, on stderr, for work in stages."""

from types import TracebackType

from retrieval.cli.progress import BarProgress


class StageBars:
    """Is told how far work is, and shows the stage at hand."""

    def __init__(self) -> None:
        self._bar: BarProgress | None = None

    def __enter__(self) -> "StageBars":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def stage(self, what: str, total: int) -> None:
        """A stage of so many steps begins."""
        self.close()
        self._bar = BarProgress(what, lambda: False).__enter__()
        self._bar.start(total)

    def advance(self, steps: int) -> None:
        """So many more are done."""
        if self._bar is not None:
            self._bar.advance(steps, 0)

    def close(self) -> None:
        """Takes the bar off the screen."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None
