"""PRISM 2.1: the captioner and encoders are called as they are, and the FFN against its loop."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spectrum.prism.config import PrismConfig
from spectrum.prism.networks import PromptNetwork
from spectrum.prism.prompt import (
    prompt_embeddings,
    semantic_descriptions,
    textual_embeddings,
    visual_embeddings,
)
from tests.references import prism as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.prism.networks import looped_prompt, unsettle


@dataclass(frozen=True, kw_only=True)
class Said:
    text: str
    confidence: float


def describe(number: int) -> str:
    return f"{number} dogs"


def captioner(numbers: Sequence[int]) -> list[Said]:
    return [Said(text=describe(number), confidence=0.5) for number in numbers]


def letters(text: str) -> list[float]:
    return [float(len(text)), float(ord(text[0])), 1.0]


def test_descriptions_are_the_captioners() -> None:
    made = semantic_descriptions([3, 1, 12], captioner)
    assert made == ["3 dogs", "1 dogs", "12 dogs"]
    assert made == loops.semantic_descriptions([3, 1, 12], describe)
    assert semantic_descriptions([], captioner) == []


def test_textual_embeddings_are_the_encoders() -> None:
    texts = ["3 dogs", "a cat"]
    made = textual_embeddings(texts, lambda given: torch.tensor([letters(t) for t in given]))
    assert made.tolist() == loops.embeddings(texts, letters) == [[6, 51, 1], [5, 97, 1]]


def test_visual_embeddings_are_the_encoders() -> None:
    pixels = [np.full((2, 2, 3), value, dtype=np.float32) for value in (1, 5)]
    made = visual_embeddings(pixels, lambda given: np.stack([image[0, 0] for image in given]))
    assert made.tolist() == loops.embeddings(pixels, lambda image: image[0, 0].tolist())
    assert made.dtype == torch.float32


def test_vectors_that_may_not_be_written_are_taken_over() -> None:
    frozen = np.ones((1, 3), dtype=np.float32)
    frozen.flags.writeable = False
    made = textual_embeddings(["a cat"], lambda _: frozen)
    made[0, 0] = 2.0
    assert (frozen[0, 0], made[0, 0].item()) == (1, 2)


@pytest.mark.parametrize("made", [0, 1, 3])
def test_a_model_that_loses_an_item_is_named(made: int) -> None:
    with pytest.raises(
        ValueError,
        match=f"^the captioner made {made} sentences of 2 images: it must make one each$",
    ):
        semantic_descriptions([1, 2], lambda _: captioner(range(made)))
    with pytest.raises(ValueError, match=f"^the encoder made {made} vectors of 2 descriptions: "):
        textual_embeddings(["a", "b"], lambda _: torch.zeros(made, 3))
    with pytest.raises(ValueError, match=f"^the encoder made {made} vectors of 2 images: it must"):
        visual_embeddings([1, 2], lambda _: np.zeros((made, 3)))


def network(*, start: bool = False) -> PromptNetwork:
    torch.manual_seed(0)
    made = PromptNetwork(PrismConfig(width=7, semantic_width=5, hidden=3)).double().eval()
    return made if start else unsettle(made)


def test_prompts_equal_the_loop() -> None:
    visual, textual, ffn = normal(11, 5, seed=1), normal(11, 5, seed=2), network()
    made = prompt_embeddings(visual, textual, ffn)
    looped = loops.prompt_embeddings(visual.tolist(), textual.tolist(), looped_prompt(ffn))
    torch.testing.assert_close(made, torch.tensor(looped, dtype=torch.float64))


def test_the_image_stands_before_its_description() -> None:
    made = prompt_embeddings(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]), first_half)
    assert made.tolist() == [[1, 2]]


def first_half(joined: Tensor) -> Tensor:
    return joined.chunk(2, dim=-1)[0]


def test_prompts_of_neighbourhoods_are_those_of_their_images() -> None:
    visual, textual, ffn = normal(2, 3, 5, seed=1), normal(2, 3, 5, seed=2), network()
    made = prompt_embeddings(visual, textual, ffn)
    torch.testing.assert_close(made[1, 2:], prompt_embeddings(visual[1, 2:], textual[1, 2:], ffn))


def test_a_prompt_starts_as_a_weighted_sum() -> None:
    visual, textual = normal(11, 5, seed=1), normal(11, 5, seed=2)
    made = prompt_embeddings(visual, textual, network(start=True))
    torch.testing.assert_close(made, 0.75 * visual + 0.25 * textual)


@pytest.mark.usefixtures("without_shape_hook")
def test_images_without_descriptions_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^visual has shape \(3, 2\) and textual \(1, 2\): give one row of each an image$",
    ):
        prompt_embeddings(torch.zeros(3, 2), torch.zeros(1, 2), nn.Identity())
    with pytest.raises(ValueError, match=r"^visual is empty, shape \(0, 2\): give at least one r"):
        prompt_embeddings(torch.zeros(0, 2), torch.zeros(0, 2), nn.Identity())
