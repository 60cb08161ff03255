"""SATIPATTHANA 4.3 against its loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from satipatthana.samatha import initial_state, resonance, squared_distances
from tests.references import satipatthana_samatha as loops
from tests.satipatthana.samatha.engines import normal


def test_distances_equal_the_loop() -> None:
    states, probes = normal(5, 7, seed=1), normal(3, 7, seed=2)
    made = squared_distances(states, probes)
    for row, looped in zip(
        made.tolist(), loops.squared_distances(states.tolist(), probes.tolist()), strict=True
    ):
        assert row == pytest.approx(looped, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
def test_resonance_equals_the_loop(temperature: float) -> None:
    states, probes = normal(5, 7, seed=1), normal(3, 7, seed=2)
    made = resonance(states, probes, temperature)
    looped = loops.resonance(states.tolist(), probes.tolist(), [temperature] * 5)
    for row, expected in zip(made.tolist(), looped, strict=True):
        assert row == pytest.approx(expected, abs=1e-12)


def test_resonance_takes_a_temperature_for_each_sample() -> None:
    states, probes = normal(5, 7, seed=1), normal(3, 7, seed=2)
    temperatures = normal(5, 1, seed=3).exp()
    made = resonance(states, probes, temperatures)
    looped = loops.resonance(states.tolist(), probes.tolist(), temperatures[:, 0].tolist())
    for row, expected in zip(made.tolist(), looped, strict=True):
        assert row == pytest.approx(expected, abs=1e-12)


def test_a_worked_resonance() -> None:
    """Squared distances 0 and 2 in two dimensions: 1 against e^-1."""
    made = resonance(torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [1.0, 1.0]]), 1.0)
    assert made[0].tolist() == pytest.approx([math.e / (1 + math.e), 1 / (1 + math.e)], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), temperature=st.floats(0.05, 20.0))
def test_the_nearest_probe_resonates_most(seed: int, temperature: float) -> None:
    states, probes = normal(5, 3, seed=seed), normal(4, 3, seed=seed + 1)
    probs = resonance(states, probes, temperature)
    assert probs.sum(dim=1).tolist() == pytest.approx([1.0] * 5)
    assert probs.argmax(dim=1).equal(squared_distances(states, probes).argmin(dim=1))


def test_the_first_state_equals_the_loop() -> None:
    z, winner = normal(5, 7, seed=1), normal(5, 7, seed=2)
    query, key = normal(7, 7, seed=3), normal(7, 7, seed=4)
    made = initial_state(z, winner, query, key)
    for row, a, b in zip(made.tolist(), z.tolist(), winner.tolist(), strict=True):
        looped = loops.initial_state(a, b, query.tolist(), key.tolist())
        assert row == pytest.approx(looped, abs=1e-12)


def test_a_worked_first_state() -> None:
    """One dimension, z = 0 and P = 2, unit weights: logits 0 and 4."""
    one = torch.ones(1, 1)
    made = initial_state(torch.zeros(1, 1), 2 * one, one, one)
    assert made.item() == pytest.approx(2 / (1 + math.exp(-4)), abs=1e-6)
    assert initial_state(torch.zeros(1, 1), 2 * one, 0 * one, one).item() == 1.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_first_state_lies_between_input_and_probe(seed: int) -> None:
    z, winner = normal(4, 5, seed=seed), normal(4, 5, seed=seed + 1)
    made = initial_state(z, winner, normal(5, 5, seed=seed + 2), normal(5, 5, seed=seed + 3))
    around = (made - z).norm(dim=1) + (made - winner).norm(dim=1)
    assert around.tolist() == pytest.approx((z - winner).norm(dim=1).tolist(), abs=1e-9)
