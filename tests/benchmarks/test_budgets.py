"""The profile that ships: the least of several timings, and the table that the docs show."""

from dataclasses import replace

import pytest

from benchmarks.refinement.budgets import quietest, table
from retrieval.evaluation.intervals import Estimate
from retrieval.profiling import Measured
from spectrum.stack import MODULES
from spectrum.stack.selection import ModuleCost, Profile, Subset, module_subsets


def cost(modules: tuple[str, ...]) -> float:
    """A millisecond each, and a little more the later a module stands."""
    return sum(1 + 0.001 * MODULES.index(name) for name in modules)  # type: ignore[arg-type]


def a_round(slowness: float, slow: tuple[str, ...] | None = None) -> Measured:
    """Each module finds a point more; one subset was disturbed."""
    subsets = tuple(
        Subset(
            modules=modules,
            milliseconds=slowness + cost(modules) + (9.0 if modules == slow else 0.0),
            accuracy=0.5 + 0.01 * len(modules),
            low=0.4,
            high=0.6,
            shortfall_low=0.01 * (4 - len(modules)),
        )
        for modules in module_subsets()
    )
    profile = Profile(
        weights_hash="a" * 32,
        machine="made up",
        n_images=3,
        n_queries=15,
        modules={"nexus": ModuleCost(first=slowness, second=4 - slowness)},
        subsets=subsets,
    )
    hits = {each.modules: Estimate(value=0.8, low=0.7, high=0.9) for each in subsets}
    return Measured(profile=profile, hits=hits)


def test_the_least_time_of_each_subset_and_module_counts() -> None:
    rounds = [a_round(1.0, slow=("castle",)), a_round(2.0), a_round(3.0)]
    made = quietest(rounds).profile
    assert made.modules == {"nexus": ModuleCost(first=1.0, second=1.0)}
    for each in made.subsets:
        disturbed = each.modules == ("castle",)
        wanted = cost(each.modules) + (2.0 if disturbed else 1.0)
        assert each.milliseconds == pytest.approx(wanted)
    assert quietest(rounds[:1]) == rounds[0]
    alike = tuple(replace(each, milliseconds=0.0) for each in made.subsets)
    assert alike == tuple(replace(each, milliseconds=0.0) for each in rounds[0].profile.subsets)


def test_the_table_has_the_frontier_and_the_budgets_cheap_first() -> None:
    lines = table(a_round(1.0)).splitlines()
    assert lines[2] == "| the encoder alone | 1.00 | 50.0 [40.0, 60.0] | 80.0 |  |"
    # Half of what there is to gain takes three modules of five; four cannot be told from all.
    assert [line.split(" | ")[-1].strip(" |") for line in lines[2:]] == [
        "", "", "", "fast", "balanced", "best",
    ]  # fmt: skip
    assert lines[-1].startswith("| castle prism nexus oracle harmony | 6.01 | 55.0")
