"""Parts of one task at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from indexer.vectors.threads import at_once


def test_parts_keep_their_order_and_the_first_stays_where_it_is_asked_for() -> None:
    with ThreadPoolExecutor(2) as pool:
        made = at_once(lambda part: (part, threading.current_thread()), [3, 1, 2], pool)
    assert [part for part, _ in made] == [3, 1, 2]
    assert [who is threading.current_thread() for _, who in made] == [True, False, False]


def test_parts_are_worked_on_together() -> None:
    met = threading.Barrier(2, timeout=30)
    with ThreadPoolExecutor(1) as pool:
        assert len(at_once(lambda part: met.wait(), ["a", "b"], pool)) == 2


def test_no_part_and_a_part_that_fails() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert at_once(str, [], pool) == []
        for parts in ([0, 1], [1, 0]):
            with pytest.raises(ZeroDivisionError):
                at_once(lambda part: 1 / part, parts, pool)
