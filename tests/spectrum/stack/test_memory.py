"""The memory of described images against its loop, and what it promises."""

import pytest
import torch

from spectrum.stack.memory import RANK, Memory
from tests.references import stack as loops
from tests.spectrum.stack.stacks import normal, unit


def filled(remembered: int = 11, visual: int = 5, semantic: int = 7) -> Memory:
    memory = Memory(visual, semantic, remembered)
    memory.remember(unit(remembered, visual, seed=1), unit(remembered, semantic, seed=2))
    return memory


def test_it_equals_the_loop() -> None:
    asked, own = normal(3, 5, seed=3), torch.tensor([4, -1, 0])
    made = filled()(asked, 0.3, own)
    keys, values = unit(11, 5, seed=1).tolist(), unit(11, 7, seed=2).tolist()
    looped = [
        loops.remembered(image, keys, values, 0.3, mine)
        for image, mine in zip(asked.tolist(), own.tolist(), strict=True)
    ]
    torch.testing.assert_close(made, torch.tensor(looped), atol=1e-5, rtol=0)


def test_a_remembered_image_is_described_as_it_was_unless_it_must_not_see_itself() -> None:
    """At a low temperature only the most alike counts: the image itself."""
    memory, images = filled(), unit(11, 5, seed=1)
    torch.testing.assert_close(memory(images, 1e-4), unit(11, 7, seed=2), atol=1e-4, rtol=0)
    apart = memory(images, 1e-4, torch.arange(11))
    similarities = images @ images.mT - 9 * torch.eye(11)
    wanted = unit(11, 7, seed=2)[similarities.argmax(dim=1)]
    torch.testing.assert_close(apart, wanted, atol=1e-2, rtol=0)


def test_images_do_not_see_each_other() -> None:
    memory, asked = filled(), normal(5, 5, seed=3)
    torch.testing.assert_close(memory(asked[2:3], 0.1), memory(asked, 0.1)[2:3])


def test_what_has_no_memory_says_nothing() -> None:
    asked = normal(3, 5, seed=3)
    assert Memory(5, 7, 0)(asked, 0.1).tolist() == [[0] * 7] * 3
    assert Memory(5, 7, 11)(asked, 0.1).tolist() == [[0] * 7] * 3
    blind = Memory(0, 7, 11)
    assert blind(normal(3, 0, seed=3), 0.1).tolist() == [[0] * 7] * 3


def test_wide_vectors_are_kept_in_their_principal_components() -> None:
    memory = filled(remembered=3, visual=RANK + 11, semantic=RANK + 5)
    assert memory.keys.shape == (3, RANK)
    told = memory(unit(3, RANK + 11, seed=1), 1e-4)
    torch.testing.assert_close(told, unit(3, RANK + 5, seed=2), atol=1e-4, rtol=0)


def test_another_number_of_images_than_it_was_built_for_is_refused() -> None:
    memory = Memory(5, 7, 11)
    with pytest.raises(ValueError, match=r"^visual has shape \(10, 5\), expected \(11, 5\)$"):
        memory.remember(unit(10, 5, seed=1), unit(10, 7, seed=2))
