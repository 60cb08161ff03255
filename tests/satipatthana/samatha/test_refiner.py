"""The refiner: its loop, its bounds, and what they promise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from satipatthana.configs import StandardVicaraConfig
from satipatthana.samatha import Refiner
from satipatthana.samatha.refiner import bounded, spectral_bound
from tests.references import satipatthana_samatha as loops
from tests.satipatthana.samatha.engines import normal, seeded


def refiner(scale: float = 1.0, **settings: float | int | bool | None) -> Refiner:
    """A refiner in float64 whose weights are `scale` times those that it starts with."""
    config = StandardVicaraConfig(**{"latent_dim": 5, "hidden_dim": 7, **settings})  # type: ignore[arg-type]
    made = Refiner(config).double().eval()
    with torch.no_grad():
        for seed, parameter in enumerate(made.parameters()):
            parameter.copy_(scale * normal(*parameter.shape, seed=seed))
    return made


def context(count: int, seed: int) -> dict[str, Tensor]:
    return {"z": normal(count, 5, seed=seed), "mixture": normal(count, 5, seed=seed + 1)}


@pytest.mark.parametrize("lipschitz", [0.5, None])
def test_the_refiner_equals_the_loop(lipschitz: float | None) -> None:
    """Small weights, so that the bound (tested below) changes none of them."""
    made, told, state = refiner(0.1, lipschitz=lipschitz), context(3, seed=1), normal(3, 5, seed=9)
    weights = (
        made.output_weight.tolist(),
        made.state_weight.tolist(),
        made.context_weight[:, :5].tolist(),
        made.context_weight[:, 5:].tolist(),
    )
    for row, s, z, m in zip(
        made(state, told).tolist(),
        state.tolist(),
        told["z"].tolist(),
        told["mixture"].tolist(),
        strict=True,
    ):
        looped = loops.refined(s, z, m, weights, made.bias.tolist(), lipschitz or 1.0)
        assert row == pytest.approx(looped, abs=1e-12)


def test_the_bare_form_knows_nothing_of_where_it_started() -> None:
    state, told = normal(3, 5, seed=9), context(3, seed=1)
    made, bare = refiner(0.1), refiner(0.1, grounded=False)
    zero = [[0.0] * 5] * 7
    weights = (made.output_weight.tolist(), made.state_weight.tolist(), zero, zero)
    for row, s in zip(made(state).tolist(), state.tolist(), strict=True):
        looped = loops.refined(s, [0.0] * 5, [0.0] * 5, weights, made.bias.tolist(), 0.5)
        assert row == pytest.approx(looped, abs=1e-12)
    assert torch.equal(bare(state, told), made(state))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    size=st.floats(1e-3, 1e3),
)
def test_the_spectral_bound_is_above_and_near(
    seed: int, rows: int, columns: int, size: float
) -> None:
    weight = size * normal(rows, columns, seed=seed)
    largest = torch.linalg.svdvals(weight)[0].item()
    bound = spectral_bound(weight).item()
    assert largest * (1 - 1e-9) <= bound <= largest * min(rows, columns) ** (1 / 16) * (1 + 1e-9)


def test_a_bounded_matrix_is_the_matrix_or_has_norm_one_at_most() -> None:
    small = 0.9 * torch.eye(3) / 3 ** (1 / 16)
    assert torch.equal(bounded(small), small)
    assert torch.linalg.svdvals(bounded(torch.diag(torch.tensor([4.0, 0.0, 0.0])))).tolist() == [
        pytest.approx(1.0),
        0.0,
        0.0,
    ]
    assert torch.equal(bounded(torch.zeros(2, 3)), torch.zeros(2, 3))


def test_the_bound_has_a_gradient_everywhere() -> None:
    weight = normal(3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(bounded, weight)
    nothing = torch.zeros(3, 4, requires_grad=True)
    bounded(nothing).sum().backward()
    assert torch.equal(nothing.grad, torch.ones(3, 4))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 30.0), lipschitz=st.floats(0.05, 0.95))
def test_the_refiner_is_lipschitz_in_the_state(seed: int, scale: float, lipschitz: float) -> None:
    made, told = refiner(scale, lipschitz=lipschitz), context(4, seed=seed)
    here, there = normal(4, 5, seed=seed + 2), normal(4, 5, seed=seed + 3)
    apart = (made(here, told) - made(there, told)).norm(dim=1)
    assert bool((apart <= lipschitz * (here - there).norm(dim=1) * (1 + 1e-12)).all())


def test_without_a_bound_it_is_not() -> None:
    """Near the origin, where tanh is steep."""
    made, bound = refiner(lipschitz=None), refiner(lipschitz=0.99)
    here, move = 0.1 * normal(4, 5, seed=2), 1e-3 * normal(4, 5, seed=3)
    apart = (made(here + move) - made(here)).norm(dim=1)
    assert bool((apart > move.norm(dim=1)).any())
    assert bool(((bound(here + move) - bound(here)).norm(dim=1) < move.norm(dim=1)).all())


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 30.0), lipschitz=st.floats(0.1, 0.7))
def test_fixed_points_keep_distances_within_the_docstrings_bounds(
    seed: int, scale: float, lipschitz: float
) -> None:
    """The mixture is the same for all, so that c is 1."""
    made, z = refiner(scale, lipschitz=lipschitz), normal(6, 5, seed=seed)
    told = {"z": z, "mixture": torch.zeros_like(z)}
    s_star = torch.zeros_like(z)
    grasp = made.grasp(s_star, told)
    for _ in range(80):
        s_star = made(s_star, told, grasp)
    before, after = torch.pdist(z), torch.pdist(s_star)
    assert bool((after >= before * (1 - lipschitz) / (1 + lipschitz) - 1e-9).all())
    assert bool((after <= before * (1 + lipschitz) / (1 - lipschitz) + 1e-9).all())
    assert bool(((s_star - z).norm(dim=1) <= lipschitz * 7**0.5 + 1e-9).all())


def test_dropout_is_one_draw_for_a_pass() -> None:
    """Two steps of one grasp are of one map; another grasp drops other units."""
    made, told, state = refiner(dropout=0.5).train(), context(3, seed=1), normal(3, 5, seed=9)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        grasp, other = made.grasp(state, told), made.grasp(state, told)
    assert torch.equal(made(state, told, grasp), made(state, told, grasp))
    assert not torch.equal(made(state, told, grasp), made(state, told, other))
    assert set(grasp.keep.unique().tolist()) == {0.0, 2.0}
    assert set(made.eval().grasp(state, told).keep.unique().tolist()) == {1.0}


def test_a_context_without_an_entry_is_named() -> None:
    with pytest.raises(ValueError, match="^context: expected the entry 'mixture', got z$"):
        refiner()(normal(3, 5, seed=1), {"z": normal(3, 5, seed=2)})
    with pytest.raises(ValueError, match="^context: expected the entry 'z', got none$"):
        refiner()(normal(3, 5, seed=1), {})


def test_gradients_of_the_refiner_are_right() -> None:
    made, told = refiner(), context(2, seed=1)
    state = torch.randn(2, 5, dtype=torch.float64, generator=seeded(3), requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: made(s, told), state)
