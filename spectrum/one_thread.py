"""Torch on one thread, where what is computed at once is too little for more."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes on one thread.

    More would wait for one another busily, and take four times the processor time, from the very
    threads that work beside: those that decode and encode the next images, or encode texts.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
