"""Items that several threads work on."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from spectrum.shared_work import shared_out


@pytest.mark.parametrize("helpers", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_items_keep_their_order(helpers: int, count: int) -> None:
    with ThreadPoolExecutor(max(1, helpers)) as pool:
        made = shared_out(lambda item: item * item, range(count), pool, helpers)
    assert made == [item * item for item in range(count)]


def test_the_asking_thread_works_too_and_at_the_same_time() -> None:
    met, threads = threading.Barrier(2, timeout=30), set()

    def task(item: str) -> str:
        threads.add(threading.current_thread())
        met.wait()
        return item

    with ThreadPoolExecutor(1) as pool:
        assert shared_out(task, ["a", "b"], pool, 1) == ["a", "b"]
    assert threading.current_thread() in threads
    assert len(threads) == 2


@pytest.mark.parametrize("bad", [0, 1, 7])
def test_what_a_task_raises_is_raised_when_all_threads_have_ended(bad: int) -> None:
    running = []

    def task(item: int) -> float:
        running.append(item)
        try:
            return 1 / (item - bad)
        finally:
            running.remove(item)

    with ThreadPoolExecutor(2) as pool:
        with pytest.raises(ZeroDivisionError):
            shared_out(task, range(20), pool, 2)
        assert running == []
