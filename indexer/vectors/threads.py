"""Parts of one task at the same time, the first of them in the thread that asks."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")


def at_once(
    task: Callable[[Part], Made], parts: Sequence[Part], pool: ThreadPoolExecutor
) -> list[Made]:
    """What the task makes of each part, in their order.

    Were all parts left to the pool, two threads would be woken one after the other by a third that
    then sleeps, and the kernel often leaves both on one core: half the speed, on two.
    """
    others = [pool.submit(task, part) for part in parts[1:]]
    first = [task(part) for part in parts[:1]]
    return [*first, *(other.result() for other in others)]
