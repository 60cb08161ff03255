"""The losses against loops written from their definitions."""

import math

import pytest
import torch
from torch.nn import functional

from spectrum.training.contrast import caption_contrast
from spectrum.training.distillation import likeness_loss
from tests.references import contrast as loops


def unit(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return functional.normalize(vectors, dim=-1)


def test_caption_contrast_equals_the_loop() -> None:
    images, texts = unit(5, 7, seed=1), unit(5, 3, 7, seed=2)
    made = caption_contrast(images, texts, torch.tensor(11.0, dtype=torch.float64))
    looped = loops.caption_contrast(images.tolist(), texts.tolist(), 11.0)
    assert made.item() == pytest.approx(looped, abs=1e-12)


def test_one_caption_each_is_plain_info_nce() -> None:
    images, texts = unit(5, 7, seed=1), unit(5, 1, 7, seed=2)
    logits = 3.0 * images @ texts[:, 0].T
    own = torch.arange(5)
    plain = (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2
    made = caption_contrast(images, texts, torch.tensor(3.0, dtype=torch.float64))
    assert made.item() == pytest.approx(plain.item(), abs=1e-12)


def test_a_worked_number_with_two_captions_each() -> None:
    # Scale 0: every likeness is equal, so half of the captions and half of the images are right.
    images, texts = unit(2, 3, seed=1), unit(2, 2, 3, seed=2)
    made = caption_contrast(images, texts, torch.tensor(0.0, dtype=torch.float64))
    assert made.item() == pytest.approx(math.log(2), abs=1e-12)


def test_an_image_may_stand_by_one_of_its_captions() -> None:
    """One caption that fits is enough: the sum stands inside the logarithm."""
    images = torch.eye(2, dtype=torch.float64)
    fits = images[:, None].repeat(1, 2, 1)
    half = fits.clone()
    half[:, 1] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    scale = torch.tensor(10.0, dtype=torch.float64)
    to_text = -(
        torch.tensor([10.0, 0.0]).logsumexp(0) - torch.tensor([10.0, 0, 10, 0]).logsumexp(0)
    )
    made = caption_contrast(images, half, scale)
    to_image = (math.log(1 + math.exp(-10)) + math.log(1 + math.exp(10))) / 2
    assert made.item() == pytest.approx((to_text.item() + to_image) / 2, abs=1e-4)
    assert caption_contrast(images, fits, scale) < made


def test_likeness_loss_equals_the_loop() -> None:
    student, teacher = unit(5, 7, seed=1), unit(5, 7, seed=2)
    made = likeness_loss(student, teacher, 0.3)
    looped = loops.likeness_loss(student.tolist(), teacher.tolist(), 0.3)
    assert made.item() == pytest.approx(looped, abs=1e-10)


def test_likeness_loss_ignores_where_the_vectors_lie() -> None:
    """A rotation keeps all likenesses, so the student has nothing left to learn."""
    teacher = unit(5, 7, seed=1)
    rotation, _ = torch.linalg.qr(unit(7, 7, seed=3))
    assert likeness_loss(teacher @ rotation, teacher, 0.3).item() == pytest.approx(0, abs=1e-12)
