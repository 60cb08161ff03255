"""The stems' maps: made once, and whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spectrum.training import stem_maps
from spectrum.training.photographs import Photograph
from spectrum.training.stem_maps import CALIBRATING, cached_maps, calibration


@pytest.fixture
def photographs(tmp_path: Path) -> list[Photograph]:
    """Three photographs of one grey each."""
    made = []
    for level in (10, 20, 30):
        path = tmp_path / f"grey{level}.png"
        Image.new("L", (40, 30), level).save(path)
        made.append(Photograph(path=path))
    return made


class GreyStems:
    """Stems that say how grey a photograph is; `runs` are the sizes of what they were shown."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []

    def run(self, outputs: None, entering: dict[str, Any]) -> list[np.ndarray]:
        pixels = entering["input"]
        self.runs.append(pixels.shape)
        rows, columns = pixels.shape[1] // 32, pixels.shape[2] // 32
        level = float(pixels.mean())
        return [
            np.full((1, channels, rows, columns), level, dtype=np.float32)
            for channels in (512, 320)
        ]


@pytest.fixture
def stems(monkeypatch: pytest.MonkeyPatch) -> GreyStems:
    made = GreyStems()
    monkeypatch.setattr(stem_maps, "opened", lambda path: made)
    return made


def test_maps_are_made_once(
    stems: GreyStems, photographs: list[Photograph], tmp_path: Path
) -> None:
    path = tmp_path / "maps"
    first = cached_maps(tmp_path / "stems.onnx", photographs, "wide", path)
    assert stems.runs == [(1, 192, 256, 3)] * 3
    assert first.extractor.shape == (3, 512, 6, 8)
    assert first.classifier.shape == (3, 320, 6, 8)
    assert first.extractor.dtype == np.float16
    assert first.classifier[:, 0, 0, 0].tolist() == [10.0, 20.0, 30.0]
    stems.runs.clear()
    again = cached_maps(tmp_path / "stems.onnx", photographs, "wide", path)
    assert stems.runs == []
    np.testing.assert_array_equal(again.extractor, first.extractor)


def test_an_interrupted_write_leaves_no_file(
    stems: GreyStems,
    photographs: list[Photograph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped in the middle of the second file: both are made again."""
    path = tmp_path / "maps"
    save, saved = np.save, []

    def stopping(file: Path, array: np.ndarray) -> None:
        save(file, array)
        saved.append(file)
        if len(saved) == 2:
            file.write_bytes(file.read_bytes()[:100])
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", stopping)
        with pytest.raises(KeyboardInterrupt):
            cached_maps(tmp_path / "stems.onnx", photographs, "whole", path)
    assert not (tmp_path / "maps_classifier.npy").exists()
    stems.runs.clear()
    made = cached_maps(tmp_path / "stems.onnx", photographs, "whole", path)
    assert len(stems.runs) == 3
    assert made.classifier.shape == (3, 320, 7, 7)
    assert sorted(file.name for file in tmp_path.glob("maps*")) == [
        "maps_classifier.npy",
        "maps_extractor.npy",
    ]


def test_calibration_is_drawn_evenly(
    photographs: list[Photograph], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [int(pixels[0, 0, 0]) for pixels in calibration(photographs)] == [10, 20, 30]
    shown: list[Path] = []

    def spying(path: Path, view: str) -> np.ndarray:
        assert view == "whole"
        shown.append(path)
        return np.zeros((224, 224, 3), dtype=np.uint8)

    monkeypatch.setattr(stem_maps, "seen", spying)
    many = [Photograph(path=Path(str(number))) for number in range(7 * CALIBRATING + 5)]
    assert len(calibration(many)) == CALIBRATING
    assert shown[:3] == [Path("0"), Path("7"), Path("14")]
