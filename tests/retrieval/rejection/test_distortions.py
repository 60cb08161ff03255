"""Distorted pictures, worked out by hand, and the direction that they teach the gate for images."""

from pathlib import Path

import numpy as np
import pytest

from retrieval import Library
from retrieval.rejection import distortions
from retrieval.rejection.distorted_pictures import distorted_vectors, encoded_distortions
from retrieval.rejection.distortions import distorted, resized, smoothed
from retrieval.rejection.gate import Head
from retrieval.rejection.image_fitting import image_head
from retrieval.rejection.library_gate import CalibrationOptions, calibrate, load_gate
from tests.retrieval.rejection.painted import paint_many
from tests.stand_ins import ColourEncoder


def test_a_row_of_two_pixels_grows_linearly() -> None:
    row = np.array([[[0.0], [100.0]]], dtype=np.float32)
    assert resized(row, 4)[..., 0].tolist() == [[0.0, 25.0, 75.0, 100.0]] * 4
    assert resized(row, 2)[..., 0].tolist() == [[0.0, 100.0]] * 2
    assert resized(np.full((5, 3, 3), 7.0, np.float32), 4).tolist() == [[[7.0] * 3] * 4] * 4


def test_smoothing_is_a_mean_over_squares_whose_border_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distortions, "SMOOTHED", 1)
    picture = np.random.default_rng(0).uniform(0, 255, size=(7, 7, 2)).astype(np.float32)
    found = smoothed(picture, 2)
    for y in range(7):
        for x in range(7):
            around = [
                picture[min(max(y + down, 0), 6), min(max(x + across, 0), 6)]
                for down in range(-2, 3)
                for across in range(-2, 3)
            ]
            np.testing.assert_allclose(found[y, x], np.mean(around, axis=0), rtol=1e-4)


def test_each_distortion_does_what_it_says() -> None:
    picture = np.zeros((24, 36, 3), dtype=np.uint8)
    picture[:, 18:] = (255, 0, 0)
    magnified, repeated, outlined, flattened = distorted(picture, 24, np.random.default_rng(3))
    assert {each.shape for each in (magnified, repeated, outlined, flattened)} == {(24, 24, 3)}
    # Somewhere in the picture, so of its colours alone.
    assert magnified[..., 1:].max() == 0
    period = next(p for p in (8, 6, 5, 4) if (repeated[p:] == repeated[:-p]).all())
    assert (repeated[:, period:] == repeated[:, :-period]).all()
    assert (outlined[..., 0] == outlined[..., 2]).all()
    assert (outlined[:, 11] < 255).all()
    assert (outlined[:, :9] == 255).all()
    assert set(np.unique(flattened)) == {0, 255}


def test_the_same_dice_give_the_same_pictures() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 20, 3)).astype(np.uint8)
    first, again, other = (distorted(picture, 16, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    one_pixel = np.array([[[9, 8, 7]]], dtype=np.uint8)
    assert len(distorted(one_pixel, 8, np.random.default_rng(0))) == 4


def test_pictures_that_are_gone_or_broken_are_left_out(tmp_path: Path) -> None:
    paint_many(tmp_path / "pictures", 12)
    said: list[str] = []
    with Library.open(tmp_path / "test.library", encoder=ColourEncoder()) as library:
        library.index(tmp_path / "pictures")
        ids = library.catalogue.searchable_ids(library.space.id)
        whole = distorted_vectors(library, ids, 100, 0, said.append)
        assert whole.shape == (12 * 4, 16)
        assert distorted_vectors(library, ids, 5, 0, said.append).shape == (5 * 4, 16)
        assert said == []
        (tmp_path / "pictures" / "4.png").write_bytes(b"no picture")
        (tmp_path / "pictures" / "7.png").unlink()
        assert distorted_vectors(library, ids, 100, 0, said.append).shape == (10 * 4, 16)
    assert said == ["2 of 12 pictures could not be read to be distorted"]


def test_nothing_to_distort_is_no_vectors() -> None:
    none = encoded_distortions(ColourEncoder(), [], np.random.default_rng(0))
    assert none.shape == (0, 16)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_the_head_for_images_learns_what_distorted_pictures_have_in_common() -> None:
    """They differ from the library in one number, which no library's picture varies more in."""
    rng = np.random.default_rng(0)

    def vectors(count: int, shift: float) -> np.ndarray:
        drawn = rng.normal(size=(count, 12)).astype(np.float32)
        drawn[:, 2] += shift
        return np.concatenate([_unit(drawn[:, :5]), _unit(drawn[:, 5:])], axis=1)

    library, spoilt = vectors(300, 0.0), vectors(200, 3.0)
    scale = np.ones(12, dtype=np.float32)

    def head(distorted: np.ndarray | None, library: np.ndarray = library) -> Head:
        return image_head(
            library, (5, 7), scale, "block-distances", {}, false_reject=0.05, distorted=distorted
        )

    taught, untaught = head(spoilt), head(None)
    assert taught.columns == (*untaught.columns, "scene")
    assert "joint Mahalanobis" in untaught.columns
    fresh, unknown = vectors(500, 0.0), vectors(500, 3.0)
    for one in (taught, untaught):
        known = one.detector.score(one.sample(fresh))
        refused = (known < np.quantile(one.calibrating["image"], 0.05)).mean()
        assert refused == pytest.approx(0.05, abs=0.035)
    column = taught.sample(np.concatenate([fresh, unknown])).column("scene")
    assert (column[:500, None] > column[500:]).mean() > 0.9
    assert head(spoilt, library[:100]).scene is not None
    few = image_head(library[:99], (5, 7), scale, "k-nn", {}, false_reject=0.1, distorted=spoilt)
    assert few.scene is None


def test_a_library_learns_from_its_own_pictures_distorted_and_keeps_it(tmp_path: Path) -> None:
    paint_many(tmp_path / "pictures", 130)
    with Library.open(tmp_path / "test.library", encoder=ColourEncoder()) as library:
        library.index(tmp_path / "pictures")
        gate = calibrate(library, CalibrationOptions())
        again = load_gate(library)
        assert again is not None
        for each in (gate, again):
            assert {"joint Mahalanobis", "scene"} <= set(each.heads["image"].columns)
        ids = library.catalogue.searchable_ids(library.space.id)[:9]
        for vector in library.catalogue.vectors(ids, library.space):
            assert again.image_trust(vector, 0.05) == gate.image_trust(vector, 0.05)
