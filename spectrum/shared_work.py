"""Items worked on by several threads, of which the one that asks is the first."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def shared_out(
    task: Callable[[Item], Made], items: Sequence[Item], pool: ThreadPoolExecutor, helpers: int
) -> list[Made]:
    """What the task makes of each item, in their order; each thread takes the next that waits.

    `helpers` threads of the pool work beside the asking one. Were all left to the pool, its threads
    would be woken one after the other by one that then sleeps, and the kernel often leaves them on
    one core for a while: a search of 4 ms took 7, and encoding lost 3 of 100 images.
    Raises what a task raises, when all threads have ended.
    """
    made: dict[int, Made] = {}
    waiting = deque(range(len(items)))

    def work() -> None:
        while True:
            try:
                place = waiting.popleft()
            except IndexError:
                return
            made[place] = task(items[place])

    others = [pool.submit(work) for _ in range(min(helpers, len(items) - 1))]
    try:
        work()
    finally:
        wait(others)
    for other in others:
        other.result()
    return [made[place] for place in range(len(items))]


def by_threads(task: Callable[[Item], Made], items: Sequence[Item], threads: int) -> list[Made]:
    """`shared_out` among so many threads, the asking one and others that end with it."""
    helpers = threads - 1
    with ThreadPoolExecutor(max(1, helpers)) as pool:
        return shared_out(task, items, pool, helpers)
