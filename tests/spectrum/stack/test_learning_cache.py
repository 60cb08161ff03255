"""What an encoder said is kept whole, asked for once, and read back as it was."""

from pathlib import Path

import numpy as np
import pytest

from spectrum.encoders import EncodedImages, UnsuitableModelError
from spectrum.stack.learning import grid_cache
from spectrum.stack.learning.grid_cache import GridCache
from spectrum.stack.learning.views import MOST_CHANNELS, ViewsEncoder
from spectrum.stack.material import view_of
from tests.spectrum.stack.painted_captions import course_of, painted
from tests.stand_ins import ColourEncoder

KEYS = ["a", "b", "c", "d", "e"]


def made(count: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of width 7 and grids of 3 x 2 x 11, of two views."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 2, 7)).astype(np.float32)
    return features, random.normal(size=(count, 2, 3, 2, 11)).astype(np.float32)


@pytest.fixture(params=["in memory", "mapped"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "mapped":
        monkeypatch.setattr(grid_cache, "IN_MEMORY_BYTES", 0)


@pytest.mark.usefixtures("anywhere")
def test_views_come_back_in_any_order(tmp_path: Path) -> None:
    features, tokens = made()
    cache = GridCache(tmp_path)
    cache.add(KEYS[:3], features[:3], tokens[:3])
    cache.add(KEYS[3:], features[3:], tokens[3:])
    asked = [4, 0, 3, 2]
    for again in (cache, GridCache(tmp_path)):
        views = again.views([KEYS[row] for row in asked])
        assert len(views) == 2
        for place, view in enumerate(views):
            half = tokens[asked, place].astype(np.float16)
            np.testing.assert_array_equal(view.features, features[asked, place])
            np.testing.assert_array_equal(view.tokens, half)
            expected = view_of(features[asked, place], half)
            np.testing.assert_allclose(view.boxes, expected.boxes, atol=1e-6)
            np.testing.assert_array_equal(view.object_mask, expected.object_mask)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".npz", ".npz"]


def test_a_truncated_file_is_as_good_as_absent(tmp_path: Path) -> None:
    cache = GridCache(tmp_path)
    cache.add(KEYS, *made())
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-200])
    again = GridCache(tmp_path)
    assert "a" not in again
    again.add(KEYS, *made())
    assert len(GridCache(tmp_path).views(KEYS)[0]) == 5


def test_a_file_that_rots_is_removed_and_told_of(tmp_path: Path) -> None:
    cache = GridCache(tmp_path)
    cache.add(KEYS, *made())
    (file,) = tmp_path.glob("*.npz")
    data = bytearray(file.read_bytes())
    at = data.find(b"tokens.npy") + 400
    data[at] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(OSError, match=f"{file.name}: was damaged, and is removed now: run the"):
        GridCache(tmp_path).views(KEYS)
    assert not file.exists()


def test_what_is_asked_for_has_to_be_there(tmp_path: Path) -> None:
    cache = GridCache(tmp_path)
    cache.add([], *made(0))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError, match="nobody"):
        cache.views(["nobody"])
    with pytest.raises(ValueError, match="no image was asked for: give at least one key"):
        cache.views([])


def test_tokens_beyond_half_precision_stay_finite(tmp_path: Path) -> None:
    features, tokens = made(1)
    tokens[0, 0, 0, 0, 0] = 1e9
    cache = GridCache(tmp_path)
    cache.add(["a"], features, tokens)
    assert cache.views(["a"])[0].tokens.max() == 65504.0


def test_the_second_view_is_the_mirror_image() -> None:
    encoder = ColourEncoder()
    views = ViewsEncoder(encoder)
    image = painted(1)[0][0]
    said = views.encode_images([views.prepare(image)])
    stored = np.concatenate([said.semantic, said.visual], axis=1)
    features, tokens = views.parts(stored)
    for place, shown in enumerate([image, image[:, ::-1]]):
        alone = encoder.encode_images([encoder.prepare(shown)], tokens=True)
        expected = np.concatenate([alone.semantic, alone.visual], axis=1)
        np.testing.assert_array_equal(features[:, place], expected)
        np.testing.assert_array_equal(tokens[:, place], alone.tokens)
    assert ViewsEncoder(encoder, mirrored=False).prepare(image).shape == (1,)
    assert views.identity.dimension == stored.shape[1]
    assert views.identity.fingerprint != ViewsEncoder(encoder, mirrored=False).identity.fingerprint


class Gridless(ColourEncoder):
    """Gives whatever its `shape` says in place of a grid."""

    shape: tuple[int, ...] | None = None

    def encode_images(self, pixels, *, tokens=False):  # type: ignore[no-untyped-def]
        said = super().encode_images(pixels)
        if self.shape is None:
            return said
        grid = np.zeros((len(pixels), *self.shape), dtype=np.float32)
        return EncodedImages(said.semantic, said.visual, grid)


def test_encoders_that_cannot_be_refined_are_refused() -> None:
    encoder = Gridless()
    with pytest.raises(UnsuitableModelError) as refused:
        _ = ViewsEncoder(encoder).grid
    assert str(refused.value) == (
        "the encoder 'colours' gives no grid of tokens, which a stack reads: choose another"
    )
    encoder.shape = (2, 2, MOST_CHANNELS + 1)
    with pytest.raises(UnsuitableModelError, match="tokens of 1025 channels and 1024 can be read"):
        _ = ViewsEncoder(encoder).grid
    encoder.shape = (2, 2, 5)
    views = ViewsEncoder(encoder)
    assert views.grid == (2, 2, 5)
    encoder.shape = (2, 3, 5)
    with pytest.raises(ValueError, match=r"shape \(2, 2, 3, 5\), not \(2, 2, 2, 5\)"):
        views.encode_images([views.prepare(painted(1)[0][0])])


def test_texts_are_asked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whole = ColourEncoder.encode_texts

    def counted(self: ColourEncoder, texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return whole(self, texts)

    monkeypatch.setattr(ColourEncoder, "encode_texts", counted)
    texts = ["red", "blue", "red", *(f"green {number}" for number in range(70))]
    first = course_of(tmp_path).said(texts)
    np.testing.assert_array_equal(first, whole(ColourEncoder(), texts))
    again = course_of(tmp_path).said(texts[::-1])
    np.testing.assert_array_equal(again, first[::-1])
    assert asked == ["red", "blue", *texts[3:]]
