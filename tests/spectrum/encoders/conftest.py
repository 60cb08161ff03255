"""Tiny models for the whole session, and a machine without a network."""

import socket
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch

from tests.spectrum.encoders.tiny_models import TinyModels, save_tiny_models


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    # Layers this small wait longer for a second thread than they compute.
    torch.set_num_threads(1)
    return save_tiny_models(tmp_path_factory.mktemp("tiny_models"))


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    """Noise of several shapes: landscape, portrait, tiny, a line."""
    noise = np.random.default_rng(7)
    shapes = [(40, 60, 3), (61, 37, 3), (3, 2, 3), (1, 90, 3)]
    return [noise.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A cable that is cut, and an empty model cache. Returns the log of attempts to connect."""
    attempts: list[str] = []

    def refuse(*arguments: object, **_: object) -> None:
        attempts.append(repr(arguments))
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return attempts


@pytest.fixture
def no_network(unreachable: list[str]) -> Iterator[None]:
    """Fails the test if anything so much as tries to connect, though nothing says `offline`."""
    yield
    assert unreachable == []


@pytest.fixture
def offline(unreachable: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """HF_HUB_OFFLINE=1: nothing may even try."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    yield
    assert unreachable == []
