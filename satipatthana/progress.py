"""How a training tells how far it is."""

import logging
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

logger = logging.getLogger(__name__)


@runtime_checkable
class Progress(Protocol):
    """Is told of every stage and epoch; epochs are counted from 1."""

    def stage_started(self, stage: str, max_epochs: int) -> None:
        """A stage begins, and takes so many epochs at most."""
        ...

    def epoch_ended(
        self, stage: str, epoch: int, train: Mapping[str, float], held_out: Mapping[str, float]
    ) -> None:
        """An epoch is over; its losses by term, `total` among them."""
        ...

    def stage_ended(self, stage: str, ending: str) -> None:
        """A stage is over: goal, plateau, max_epochs, skipped or interrupted."""
        ...


class SilentProgress:
    """Says nothing."""

    def stage_started(self, stage: str, max_epochs: int) -> None:
        pass

    def epoch_ended(
        self, stage: str, epoch: int, train: Mapping[str, float], held_out: Mapping[str, float]
    ) -> None:
        pass

    def stage_ended(self, stage: str, ending: str) -> None:
        pass


class LogProgress:
    """One line for each event, through `logging`, level INFO."""

    def stage_started(self, stage: str, max_epochs: int) -> None:
        logger.info("%s: at most %d epochs", stage, max_epochs)

    def epoch_ended(
        self, stage: str, epoch: int, train: Mapping[str, float], held_out: Mapping[str, float]
    ) -> None:
        logger.info("%s: epoch %d, %s", stage, epoch, losses_in_words(train, held_out))

    def stage_ended(self, stage: str, ending: str) -> None:
        logger.info("%s: ended, %s", stage, ending)


class BarProgress:
    """A bar for each stage, by rich; log lines where rich is not installed."""

    def __init__(self) -> None:
        try:
            import rich.progress
        except ImportError:
            self._make_bar: Any = None
        else:
            self._make_bar = rich.progress.Progress
        self._log = LogProgress()
        self._bar: Any = None
        self._task: Any = None

    def stage_started(self, stage: str, max_epochs: int) -> None:
        if self._make_bar is None:
            return self._log.stage_started(stage, max_epochs)
        self._bar = self._make_bar()
        self._bar.start()
        self._task = self._bar.add_task(stage, total=max_epochs)

    def epoch_ended(
        self, stage: str, epoch: int, train: Mapping[str, float], held_out: Mapping[str, float]
    ) -> None:
        if self._bar is None:
            return self._log.epoch_ended(stage, epoch, train, held_out)
        described = f"{stage}: {losses_in_words(train, held_out)}"
        self._bar.update(self._task, completed=epoch, description=described)

    def stage_ended(self, stage: str, ending: str) -> None:
        if self._bar is None:
            return self._log.stage_ended(stage, ending)
        self._bar.update(self._task, description=f"{stage}: ended, {ending}")
        self._bar.stop()
        self._bar = None


def losses_in_words(train: Mapping[str, float], held_out: Mapping[str, float]) -> str:
    """Both totals, and what the held-out one is made of."""
    terms = ", ".join(f"{name} {value:.4g}" for name, value in held_out.items() if name != "total")
    totals = f"loss {train['total']:.4g}, held out {held_out['total']:.4g}"
    return f"{totals} ({terms})" if terms else totals
