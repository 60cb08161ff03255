"""Hubness against its loop, and what it promises."""

import pytest
import torch

from spectrum.stack.hubness import MEASURED_AT_ONCE, hubness, nearest_count
from tests.references import stack as loops
from tests.spectrum.harmony.vectors import unit


@pytest.mark.parametrize("count", [1, 3, 11, 50])
def test_hubness_equals_the_loop(count: int) -> None:
    images, texts = unit(5, 7, seed=1), unit(11, 7, seed=2)
    looped = loops.hubness(images.tolist(), texts.tolist(), count)
    torch.testing.assert_close(hubness(images, texts, count), torch.tensor(looped).double())


def test_a_worked_hubness() -> None:
    """Similarities 1, 0 and -1; the two nearest are a half on average, halved."""
    images = torch.tensor([[1.0, 0]])
    texts = torch.tensor([[0.0, 1], [1, 0], [-1, 0]])
    assert hubness(images, texts, 2).tolist() == [0.25]
    assert hubness(images, texts, 1).tolist() == [0.5]


def test_an_image_is_measured_the_same_among_many() -> None:
    images, texts = unit(MEASURED_AT_ONCE + 3, 7, seed=1), unit(11, 7, seed=2)
    whole = hubness(images, texts, 3)
    torch.testing.assert_close(hubness(images[-5:], texts, 3), whole[-5:])
    assert hubness(images[:1], texts, 3).shape == (1,)


def test_without_texts_and_without_images_there_is_none() -> None:
    assert hubness(unit(3, 7, seed=1), unit(0, 7, seed=2), 5).tolist() == [0, 0, 0]
    assert hubness(unit(0, 7, seed=1), unit(3, 7, seed=2), 5).shape == (0,)


@pytest.mark.parametrize(("texts", "wanted"), [(10_000, 64), (0, 1), (100, 1), (2_400, 15)])
def test_how_many_texts_count_goes_with_the_bank(texts: int, wanted: int) -> None:
    assert nearest_count(texts) == wanted
