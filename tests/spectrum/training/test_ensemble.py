"""What teachers say: read as numbers, pooled, and kept."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

from spectrum.training import ensemble
from spectrum.training.ensemble import SIGNALS, TEACHERS, Signal, cached_signals, heard
from spectrum.training.photographs import Photograph, View

PHOTOGRAPHS = [Photograph(path=Path(f"{name}.jpg")) for name in "abc"]


class StandIn:
    """An interpreter that has just run: two tensors of eight bits, the first of them the output."""

    tensors = {
        # 1 row, 2 columns, 3 channels
        7: np.array([[[[10, 20, 130], [30, 20, 128]]]], dtype=np.uint8),
        9: np.array([[-3, 5]], dtype=np.int8),
    }
    rules = {7: (0.5, 20), 9: (2.0, -1)}

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": 7}]

    def get_tensor_details(self) -> list[dict[str, Any]]:
        return [{"index": 3, "quantization": (0.0, 0)}] + [
            {"index": index, "quantization": rule} for index, rule in self.rules.items()
        ]

    def get_tensor(self, index: int) -> np.ndarray:
        return self.tensors[index]


@pytest.mark.parametrize(
    ("signal", "numbers"),
    [
        # 0.5 * (q - 20): the places are (-5, 0, 55) and (5, 0, 54).
        (Signal(tensor=7), [0.0, 0.0, 54.5]),
        (Signal(tensor=7, places=("max",)), [5.0, 0.0, 55.0]),
        (Signal(tensor=7, places=("mean", "max")), [0.0, 0.0, 54.5, 5.0, 0.0, 55.0]),
        # -1 stands for the output, whatever its number.
        (Signal(tensor=-1), [0.0, 0.0, 54.5]),
        # 2 * (q + 1), signed; one place.
        (Signal(tensor=9), [-4.0, 12.0]),
    ],
)
def test_what_is_heard_is_dequantised_and_pooled(signal: Signal, numbers: list[float]) -> None:
    said = heard(StandIn(), signal)
    assert said.dtype == np.float32
    assert said.tolist() == numbers


def test_no_two_teachers_call_a_signal_the_same() -> None:
    assert len(SIGNALS) == sum(len(teacher.signals) for teacher in TEACHERS.values())
    assert len(set(SIGNALS)) == len(SIGNALS)


class OneProcess:
    """Takes a pool's place, without its processes."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def map(
        self, function: Callable[[Any], Any], tasks: Iterable[Any], chunksize: int
    ) -> Iterator[Any]:
        return map(function, tasks)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, View]]:
    """What the teachers were asked about; they say the letter's number, one signal more each."""
    tasks: list[tuple[Path, View]] = []

    def said(task: tuple[Path, Path, View]) -> dict[str, np.ndarray]:
        _, path, view = task
        tasks.append((path, view))
        letter = ord(path.stem) - ord("a")
        return {
            name: np.full(2, letter + 10 * number, dtype=np.float32)
            for number, name in enumerate(SIGNALS)
        }

    monkeypatch.setattr(ensemble, "ProcessPoolExecutor", OneProcess)
    monkeypatch.setattr(ensemble, "view_signals", said)
    return tasks


def test_teachers_are_asked_once(asked: list[tuple[Path, View]], tmp_path: Path) -> None:
    path = tmp_path / "signals.npz"
    first = cached_signals(tmp_path, PHOTOGRAPHS, "whole", path)
    assert asked == [(photograph.path, "whole") for photograph in PHOTOGRAPHS]
    assert tuple(first) == SIGNALS
    for number, name in enumerate(SIGNALS):
        assert first[name].dtype == np.float16
        assert first[name].tolist() == [[value + 10 * number] * 2 for value in range(3)]
    asked.clear()
    again = cached_signals(tmp_path, PHOTOGRAPHS, "whole", path)
    assert asked == []
    for name in SIGNALS:
        np.testing.assert_array_equal(again[name], first[name])


def test_an_interrupted_write_leaves_no_file(
    asked: list[tuple[Path, View]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "signals.npz"
    save = np.savez

    def stopping(file: Path, **arrays: Any) -> None:
        save(file, **arrays)
        file.write_bytes(file.read_bytes()[:50])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", stopping)
        with pytest.raises(KeyboardInterrupt):
            cached_signals(tmp_path, PHOTOGRAPHS, "whole", path)
    assert not path.exists()
    asked.clear()
    made = cached_signals(tmp_path, PHOTOGRAPHS, "whole", path)
    assert len(asked) == 3
    assert made["classifier"].shape == (3, 2)
    assert [file.name for file in tmp_path.iterdir()] == ["signals.npz"]
