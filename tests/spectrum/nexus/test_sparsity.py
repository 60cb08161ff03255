"""NEXUS 3.2 against its loops, and what sparsity promises."""

import pytest
import torch
from torch import Tensor, nn

from spectrum.nexus.networks import constant_start
from spectrum.nexus.sparsity import (
    over_largest,
    sparse_attention,
    sparse_mask,
    sparsity_threshold,
)
from tests.references import nexus as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.nexus.grids import looped_number, tensor, unsettled


def attention(seed: int = 1) -> Tensor:
    return (2 * normal(2, 7, 5, seed=seed)).softmax(dim=-1)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("keep_largest", [True, False])
def test_the_mask_equals_the_loop(relative: bool, keep_largest: bool) -> None:
    """Both False is the paper's own form."""
    given, threshold = attention(), tensor([0.3, 0.6])
    made = sparse_mask(given, threshold, relative=relative, keep_largest=keep_largest)
    for b in range(2):
        looped = loops.sparse_mask(given[b].tolist(), threshold[b].item(), relative, keep_largest)
        assert made[b].tolist() == looped
    assert 0 < made.sum().item() < made.numel()


def test_the_threshold_equals_the_loop() -> None:
    torch.manual_seed(0)
    given, network = attention(), unsettled(constant_start(5, 3, -1.0))
    made = sparsity_threshold(given, network)
    looped = [loops.sparsity_threshold(image, looped_number(network)) for image in given.tolist()]
    torch.testing.assert_close(made, tensor(looped))
    assert looped[0] != pytest.approx(looped[1], abs=1e-6)


@pytest.mark.parametrize("renormalise", [True, False])
def test_sparse_attention_equals_the_loop(renormalise: bool) -> None:
    given = attention()
    mask = sparse_mask(given, tensor([0.3, 0.6]))
    made = sparse_attention(given, mask, renormalise=renormalise)
    for b in range(2):
        looped = loops.sparse_attention(given[b].tolist(), mask[b].tolist(), renormalise)
        torch.testing.assert_close(made[b], tensor(looped))
    assert bool(((made > 0) == (mask > 0)).all())


def test_the_shape_between_images_and_places_is_free() -> None:
    flat = attention()
    square = flat.reshape(2, 1, 7, 5)
    threshold = tensor([0.3, 0.6])
    assert torch.equal(sparse_mask(square, threshold)[:, 0], sparse_mask(flat, threshold))
    network = unsettled(constant_start(5, 3, -1.0))
    assert torch.equal(sparsity_threshold(square, network), sparsity_threshold(flat, network))


def test_a_worked_row() -> None:
    """Over its largest, 1/2, the row is 1, 1/2, 1/2, 0; a threshold of 1/2 itself drops them."""
    given = tensor([[[0.5, 0.25, 0.25, 0.0]]])
    assert over_largest(given).tolist() == [[[1, 0.5, 0.5, 0]]]
    assert sparse_mask(given, tensor([0.4])).tolist() == [[[1, 1, 1, 0]]]
    mask = sparse_mask(given, tensor([0.5]))
    assert mask.tolist() == [[[1, 0, 0, 0]]]
    assert sparse_attention(given, mask).tolist() == [[[0.5, 0, 0, 0]]]
    assert sparse_attention(given, mask, renormalise=True).tolist() == [[[1, 0, 0, 0]]]
    paper = sparse_mask(given, tensor([0.3]), relative=False, keep_largest=False)
    assert paper.tolist() == [[[1, 0, 0, 0]]]


def test_without_a_threshold_nothing_is_dropped() -> None:
    given = attention()
    mask = sparse_mask(given, tensor([0.0, 0.0]))
    assert torch.equal(sparse_attention(given, mask), given)
    paper = sparse_mask(given, tensor([0.0, 0.0]), relative=False, keep_largest=False)
    assert torch.equal(sparse_attention(given, paper), given)


def test_the_largest_is_kept_at_any_threshold() -> None:
    """Also at 1, where a sigmoid in float32 ends; equal largest ones stay together."""
    given = tensor([[[0.4, 0.4, 0.2], [0.1, 0.2, 0.7]]])
    mask = sparse_mask(given, tensor([1.0]))
    assert mask.tolist() == [[[1, 1, 0], [0, 0, 1]]]
    nothing = sparse_mask(given, tensor([1.0]), keep_largest=False)
    assert nothing.sum().item() == 0
    empty = sparse_attention(given, nothing, renormalise=True)
    assert empty.abs().max().item() == 0


def test_a_higher_threshold_keeps_less() -> None:
    given = attention()
    kept = [sparse_mask(given, tensor([tau, tau])) for tau in (0.0, 0.2, 0.5, 0.9, 1.0)]
    for more, less in zip(kept, kept[1:], strict=False):
        assert bool((less <= more).all())
    assert kept[0].sum().item() > kept[2].sum().item() > kept[-1].sum().item()


def test_the_gradient_is_the_sigmoids_and_the_values_stay_zero_and_one() -> None:
    given, threshold = attention().requires_grad_(), tensor([0.3, 0.6]).requires_grad_()
    made = sparse_mask(given, threshold, softness=0.2)
    assert set(made.flatten().tolist()) == {0.0, 1.0}
    gradients = torch.autograd.grad(made.sum(), (given, threshold))
    room = over_largest(given) - threshold[:, None, None]
    expected = torch.autograd.grad((room / 0.2).sigmoid().sum(), (given, threshold))
    for found, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted)
    assert bool((gradients[1] < 0).all())


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    given = attention()
    with pytest.raises(ValueError, match=r"^threshold has shape \(1,\), expected \(2,\)$"):
        sparse_mask(given, torch.zeros(1))
    with pytest.raises(ValueError, match="^softness must be above 0, got 0.0$"):
        sparse_mask(given, torch.zeros(2), softness=0.0)
    with pytest.raises(
        ValueError, match=r"^network\(g_pool\(A\)\) has shape \(2, 5\), expected \(2, 1"
    ):
        sparsity_threshold(given, nn.Identity())
    with pytest.raises(ValueError, match=r"^mask has shape \(2, 1, 5\), expected \(2, 7, 5\)$"):
        sparse_attention(given, given[:, :1])
