"""The noun block: ConSE against its loop, and what its fitted parts promise."""

from typing import Any

import numpy as np
import pytest
import torch

from spectrum.training.naming import (
    NamedClasses,
    Naming,
    ReducedClassifier,
    noun_block,
    noun_directions,
)
from tests.references.contrast import named_mean


@pytest.mark.parametrize("spread", [0.3, 5.0])
def test_named_classes_equal_the_loop(spread: float) -> None:
    """Five classes and three labels, temperature, weight and threshold other than the defaults."""
    torch.manual_seed(0)
    names = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    naming = Naming(temperature=1.7, label_weight=0.7, least=0.2)
    named = NamedClasses(naming, 5, names)
    logits = spread * torch.randn(7, 8)
    for row, vector in zip(logits.tolist(), named(logits).tolist(), strict=True):
        looped = named_mean(row[:5], row[5:], names.tolist(), 1.7, 0.7, 0.2)
        assert vector == pytest.approx(looped, abs=1e-5)


def test_a_sure_classifier_gives_the_name_itself() -> None:
    named = NamedClasses(Naming(), 3, np.eye(3, dtype=np.float32))
    assert named(torch.tensor([[0.0, 50.0, 0.0]]))[0].tolist() == pytest.approx([0, 1, 0])


def test_a_label_below_the_threshold_is_not_meant() -> None:
    """One sure class; its neighbour's label is at the threshold, then surely there."""
    named = NamedClasses(Naming(least=0.25, label_weight=1.0), 1, np.eye(2, dtype=np.float32))
    absent, sure = torch.tensor([[3.0, -1.1]]), torch.tensor([[3.0, 50.0]])
    assert named(absent)[0].tolist() == pytest.approx([1.0, 0.0])
    # A class of probability 1 and a label's whole weight of 1: halfway between both names.
    assert named(sure)[0].tolist() == pytest.approx([0.5**0.5, 0.5**0.5])


def test_labels_share_one_weight_and_a_faint_one_does_not_get_all_of_it() -> None:
    named = NamedClasses(Naming(least=0.25, label_weight=1.0), 1, np.eye(3, dtype=np.float32))
    two = named(torch.tensor([[0.0, 50.0, 50.0]]))[0]
    assert (two / two[0]).tolist() == pytest.approx([1.0, 0.5, 0.5])
    # sigmoid(0) - 1/4 = 1/4, half of the 1/2 that would make it count for one.
    faint = named(torch.tensor([[0.0, 0.0, -50.0]]))[0]
    assert (faint / faint[0]).tolist() == pytest.approx([1.0, 0.5, 0.0])


def spread_features(directions: int, seed: int = 0) -> torch.Tensor:
    """300 rows of 11 features that vary in so many directions, some of them more than others."""
    generator = torch.Generator().manual_seed(seed)
    scales = torch.linspace(0.2, 3.0, directions)
    made = scales * torch.randn(300, directions, generator=generator)
    return made @ torch.randn(directions, 11, generator=generator) + 2.0


def centred(logits: torch.Tensor) -> torch.Tensor:
    return logits - logits.mean(dim=1, keepdim=True)


def test_a_classifier_of_few_directions_is_reduced_without_loss() -> None:
    """Features vary in four directions, the rank is four: the probabilities stay."""
    torch.manual_seed(0)
    weight, bias, features = torch.randn(6, 11), torch.randn(6), spread_features(4)
    reduced = ReducedClassifier(11, 6, 4)
    reduced.fit(weight, bias, features)
    wanted = features @ weight.T + bias
    apart = (reduced(features).softmax(dim=1) - wanted.softmax(dim=1)).abs().max()
    assert apart < 0.02


def test_a_full_rank_loses_nothing_anywhere() -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(6, 11), torch.randn(6)
    reduced = ReducedClassifier(11, 6, 6)
    reduced.fit(weight, bias, spread_features(11))
    others = torch.randn(20, 11)
    wanted = centred(others @ weight.T + bias)
    torch.testing.assert_close(centred(reduced(others)), wanted, atol=1e-3, rtol=0)


def test_the_features_tell_which_rank_is_kept() -> None:
    """Closer on such photographs than the truncated matrix is, the best without photographs."""
    torch.manual_seed(0)
    weight, bias, features = torch.randn(9, 11), torch.randn(9), spread_features(11)
    reduced = ReducedClassifier(11, 9, 3)
    reduced.fit(weight, bias, features)
    wide = weight - weight.mean(dim=0)
    left, scales, right = torch.linalg.svd(wide, full_matrices=False)
    truncated = left[:, :3] * scales[:3] @ right[:3]
    mean = features.mean(dim=0)
    wanted = features @ wide.T + bias
    plain = (features - mean) @ truncated.T + wide @ mean + bias
    ours = (reduced(features) - wanted).square().mean()
    assert ours < 0.9 * (plain - wanted).square().mean()


def test_noun_directions_keep_what_differs_among_nouns() -> None:
    """Vectors that differ in two directions only: two dimensions keep all their distances."""
    random = np.random.default_rng(0)
    plane = np.linalg.qr(random.normal(size=(9, 2)))[0]
    vectors = (random.normal(size=(50, 2)) @ plane.T + random.normal(size=9)).astype(np.float32)
    weight, bias = noun_directions(vectors, 2)
    made = vectors @ weight.T + bias
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-5)
    apart = np.linalg.norm(vectors[:, None] - vectors, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(made[:, None] - made, axis=-1), apart, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(noun_block(vectors, weight, bias), axis=1), 1, 1e-5)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"share": 1.5}, r"share must lie in \[0, 1\], got 1.5"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
        ({"least": 1.0}, r"least must lie in \[0, 1\), got 1.0"),
        ({"least": -0.1}, r"least must lie in \[0, 1\), got -0.1"),
    ],
)
def test_settings_outside_their_range_are_refused(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Naming(**limits)
