"""Ctrl-C as a request: what is being done is finished and kept."""

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """Turns the first SIGINT or SIGTERM into a request; a second one acts at once."""

    def __init__(self) -> None:
        self.requested = threading.Event()

    def __enter__(self) -> "Interruption":
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.requested.set()
        for known, handler in self._before.items():
            signal.signal(known, handler)
