"""Disturbances: of each sample by its own strength, and of no more than was asked."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from satipatthana.configs import AugmenterConfig, AugmenterType
from satipatthana.samatha import BaseAugmenter, build_augmenter
from tests.satipatthana.samatha.engines import seeded


def augmenter(kind: AugmenterType, max_noise_std: float = 0.3) -> BaseAugmenter:
    return build_augmenter(AugmenterConfig(type=kind, max_noise_std=max_noise_std))


@pytest.mark.parametrize("kind", AugmenterType)
@pytest.mark.parametrize("x", [torch.ones(50, 4), torch.ones(50, 4, dtype=torch.long)])
def test_every_augmenter_says_how_strongly_it_disturbed(
    kind: AugmenterType, x: torch.Tensor
) -> None:
    made = augmenter(kind)
    disturbed, severity = made(x, 0.8, seeded(1))
    assert disturbed.shape == x.shape
    assert disturbed.dtype == x.dtype
    assert severity.shape == (50,)
    assert bool(((severity >= 0) & (severity <= 1)).all())
    untouched = (disturbed == x).all(dim=1)
    assert torch.equal(untouched, severity == 0.0)
    again, same = made(x, 0.8, seeded(1))
    assert torch.equal(again, disturbed)
    assert torch.equal(same, severity)
    assert torch.equal(x, torch.ones_like(x))


@pytest.mark.parametrize("kind", AugmenterType)
def test_level_zero_changes_nothing(kind: AugmenterType) -> None:
    for x in (torch.randn(5, 4, generator=seeded(2)), torch.ones(5, 4, dtype=torch.long)):
        disturbed, severity = augmenter(kind)(x, 0.0)
        assert torch.equal(disturbed, x)
        assert severity.tolist() == [0.0] * 5


@pytest.mark.parametrize("kind", AugmenterType)
@pytest.mark.parametrize("noise_level", [-0.1, 1.5])
def test_a_level_outside_is_refused(kind: AugmenterType, noise_level: float) -> None:
    with pytest.raises(ValueError, match=f"^noise_level: expected 0.0 to 1.0, got {noise_level}$"):
        augmenter(kind)(torch.zeros(2, 3), noise_level)


@settings(max_examples=20, deadline=None)
@given(noise_level=st.floats(0.05, 1.0), seed=st.integers(0, 10_000))
def test_severity_is_drawn_evenly_up_to_the_level(noise_level: float, seed: int) -> None:
    _, severity = augmenter(AugmenterType.GAUSSIAN)(torch.zeros(2000, 1), noise_level, seeded(seed))
    assert float(severity.max()) < noise_level
    assert float(severity.mean()) == pytest.approx(noise_level / 2, rel=0.08)
    assert len(severity.unique()) > 1900


def test_the_noise_of_a_sample_has_the_deviation_of_its_severity() -> None:
    """The pictures are wide, so that each one's own deviation can be measured."""
    x = torch.zeros(20, 3, 60, 60)
    made = augmenter(AugmenterType.GAUSSIAN, max_noise_std=2.0)
    disturbed, severity = made(x, 1.0, seeded(3))
    deviations = disturbed.flatten(1).std(dim=1)
    assert deviations.tolist() == pytest.approx((2.0 * severity).tolist(), rel=0.05)


def test_tokens_are_masked_by_the_share_that_is_reported() -> None:
    """Sequences of 400 tokens and 100 places of padding, which count for nothing."""
    tokens = torch.full((30, 500), 7)
    tokens[:, 400:] = 0
    disturbed, severity = augmenter(AugmenterType.GAUSSIAN)(tokens, 1.0, seeded(4))
    assert set(disturbed.unique().tolist()) == {0, 7}
    masked = (disturbed[:, :400] == 0).sum(dim=1)
    assert severity.tolist() == pytest.approx((masked / 400).tolist())
    assert float(severity.std()) == pytest.approx(12**-0.5, rel=0.25)


def test_padding_alone_cannot_be_disturbed() -> None:
    nothing = torch.zeros(3, 5, dtype=torch.long)
    disturbed, severity = augmenter(AugmenterType.GAUSSIAN)(nothing, 1.0)
    assert torch.equal(disturbed, nothing)
    assert severity.tolist() == [0.0] * 3
