"""SPECTRUM 6.2b against its loop: what a budget buys, and the table that says so."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack import MODULES
from spectrum.stack.selection import (
    ModuleCost,
    Profile,
    Subset,
    balanced,
    best_within,
    fast,
    frontier,
    kept_profile,
    known_profile,
    module_subsets,
    modules_within,
    profile_beside,
    read_profile,
    write_profile,
)
from tests.references import stack as loops

COSTS = {"castle": 1.0, "prism": 2.0, "nexus": 4.0, "oracle": 8.0, "harmony": 0.5}
GAINS = {"castle": 0.01, "prism": 0.02, "nexus": 0.0, "oracle": 0.001, "harmony": 0.05}
LOST = 0.002
"""What separates two subsets for sure."""


def subset(*modules: str, ms: float, accuracy: float, shortfall: float = 0.0) -> Subset:
    return Subset(
        modules=modules,
        milliseconds=float(ms),
        accuracy=accuracy,
        low=accuracy - 0.01,
        high=accuracy + 0.01,
        shortfall_low=shortfall,
    )


def every() -> tuple[Subset, ...]:
    """Costs and gains that add up, over an encoder of 0.3 and a tenth of a millisecond."""
    most = 0.3 + sum(GAINS.values())
    made = []
    for modules in module_subsets():
        accuracy = 0.3 + sum(GAINS[name] for name in modules)
        cost = 0.1 + sum(COSTS[name] for name in modules)
        made.append(subset(*modules, ms=cost, accuracy=accuracy, shortfall=most - accuracy - LOST))
    return tuple(made)


def profile(weights_hash: str = "a" * 32) -> Profile:
    return Profile(
        weights_hash=weights_hash,
        machine="a machine",
        n_images=10,
        n_queries=50,
        modules={name: ModuleCost(first=cost, second=0.0) for name, cost in COSTS.items()},
        subsets=every(),
    )


def test_five_modules_have_thirty_two_subsets() -> None:
    made = module_subsets()
    assert (made[0], made[-1], len(made)) == ((), MODULES, 32)
    assert {frozenset(each) for each in made} == set(loops.subsets(MODULES))
    assert module_subsets(["a", "b"]) == [(), ("a",), ("b",), ("a", "b")]


FEW = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=len(module_subsets("abc")),
    max_size=len(module_subsets("abc")),
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(drawn=FEW, budget=st.integers(-1, 5))
def test_the_best_within_a_budget_equals_the_loop(
    drawn: list[tuple[int, int]], budget: int
) -> None:
    """Few values, so that there are ties."""
    names = module_subsets("abc")
    made = [
        subset(*name, ms=float(cost), accuracy=accuracy / 4)
        for name, (cost, accuracy) in zip(names, drawn, strict=True)
    ]
    accuracies = {frozenset(each.modules): each.accuracy for each in made}
    costs = {frozenset(each.modules): each.milliseconds for each in made}
    if budget < min(costs.values()):
        with pytest.raises(ValueError, match="^no modules refine an image in"):
            best_within(made, float(budget))
        return
    found = best_within(made, float(budget))
    assert found.milliseconds <= budget
    assert found.accuracy == accuracies[loops.best_within(accuracies, costs, budget)]
    for other in made:
        if other.accuracy == found.accuracy:
            price = found.milliseconds, len(found.modules)
            assert price <= (other.milliseconds, len(other.modules))


@settings(max_examples=80, deadline=None)
@given(drawn=FEW)
def test_the_frontier_equals_the_loop(drawn: list[tuple[int, int]]) -> None:
    made = [
        subset(*name, ms=float(cost), accuracy=accuracy / 4)
        for name, (cost, accuracy) in zip(module_subsets("abc"), drawn, strict=True)
    ]
    found = frontier(made)
    looped = loops.frontier(
        {frozenset(each.modules): each.accuracy for each in made},
        {frozenset(each.modules): each.milliseconds for each in made},
    )
    assert {frozenset(each.modules) for each in found} == looped
    costs = [each.milliseconds for each in found]
    assert costs == sorted(costs)


def test_a_worked_frontier() -> None:
    """One is as good as a cheaper one, and one is worse and dearer than another."""
    cheap, beaten = subset("a", ms=1, accuracy=0.3), subset("b", ms=2, accuracy=0.3)
    dear, worst = subset("c", ms=3, accuracy=0.4), subset("d", ms=4, accuracy=0.2)
    assert frontier([worst, dear, beaten, cheap]) == [cheap, dear]
    assert frontier([]) == []
    assert best_within([worst, dear, beaten, cheap], 2.5) == cheap
    with pytest.raises(ValueError, match=r"^no modules refine an image in 0\.5 ms: the least tak"):
        best_within([cheap], 0.5)


def test_with_room_for_everything_the_best_is_the_most_accurate_and_cheapest_of_these() -> None:
    """NEXUS adds nothing here, and so is not paid for."""
    assert best_within(every(), 1e9).modules == ("castle", "prism", "oracle", "harmony")


def test_named_budgets_of_the_worked_table() -> None:
    """All gain 0.081: HARMONY alone has half of it, and ORACLE's 0.001 is within the noise."""
    assert balanced(every()).modules == ("castle", "prism", "harmony")
    assert fast(every()).modules == ("harmony",)
    assert modules_within("best", None) == MODULES
    assert modules_within("none", None) == ()
    assert modules_within("balanced", profile()) == ("castle", "prism", "harmony")
    assert modules_within("fast", profile()) == ("harmony",)
    assert modules_within("1.6", profile()) == ("castle", "harmony")
    assert modules_within("0.1", profile()) == ()


def test_names_are_in_the_order_of_their_cost() -> None:
    """Also where noise makes a balanced subset of what gains less than half."""
    made = [
        subset(ms=0.1, accuracy=0.3, shortfall=0.01),
        subset("a", ms=1, accuracy=0.32, shortfall=-0.1),
        subset("b", ms=2, accuracy=0.4, shortfall=0.0),
    ]
    assert balanced(made).modules == fast(made).modules == ("a",)


def test_a_stack_that_gains_nothing_is_not_paid_for() -> None:
    made = [subset(ms=0.1, accuracy=0.4), subset("a", ms=1, accuracy=0.3, shortfall=0.05)]
    assert balanced(made).modules == fast(made).modules == ()


@pytest.mark.parametrize("budget", ["fast", "balanced", "2.5"])
def test_what_was_not_measured_cannot_be_chosen(budget: str) -> None:
    for known in (None, Profile(**{**vars(profile()), "subsets": ()})):
        with pytest.raises(ModelUnavailableError, match=f"^what '{budget}' buys is not measured"):
            modules_within(budget, known)


def test_milliseconds_for_nothing_are_refused_in_a_line() -> None:
    said = r"^--budget 0\.01: no modules refine an image in 0\.01 ms: the least takes 0\.1 ms$"
    with pytest.raises(ModelUnavailableError, match=said):
        modules_within("0.01", profile())


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "profile.json"
    write_profile(profile(), path)
    assert read_profile(path) == profile()
    assert list(path.parent.iterdir()) == [path]


def test_what_was_measured_here_goes_before_what_came_with_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    stack = tmp_path / "my.safetensors"
    assert known_profile(stack, "a" * 32) is None
    write_profile(profile("b" * 32), profile_beside(stack))
    assert known_profile(stack, "a" * 32) is None
    write_profile(profile(), profile_beside(stack))
    assert known_profile(stack, "a" * 32) == profile()
    here = Profile(**{**vars(profile()), "machine": "here"})
    write_profile(here, kept_profile("a" * 32))
    assert known_profile(stack, "a" * 32) == here


def test_a_table_that_is_none_is_refused_in_a_line(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    with pytest.raises(ModelUnavailableError, match=r"No such file or directory; see 'spectrum pr"):
        read_profile(path)
    write_profile(profile(), path)
    whole = json.loads(path.read_text())
    for damaged in (
        "no JSON",
        "[]",
        "{}",
        json.dumps({**whole, "more": 1}),
        json.dumps({**whole, "subsets": whole["subsets"][1:]}),
        json.dumps({**whole, "subsets": [{}]}),
    ):
        path.write_text(damaged)
        with pytest.raises(ModelUnavailableError) as caught:
            read_profile(path)
        said = str(caught.value)
        assert said.startswith(f"{path}: no profile of a stack (")
        assert "\n" not in said


def test_every_subset_of_the_table_is_a_subset_of_the_modules_in_their_order() -> None:
    for one, other in itertools.pairwise(every()):
        assert len(one.modules) <= len(other.modules)
        assert list(one.modules) == sorted(one.modules, key=MODULES.index)
