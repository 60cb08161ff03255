import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from satipatthana.configs import PATHS, PathMix, ScoreWeights, judged_scores
from satipatthana.configs.curriculum import Path
from satipatthana.curriculum.mixer import (
    StageTwoBatch,
    derangement,
    joined,
    mismatched_rows,
    mixed_batch,
    path_counts,
)
from satipatthana.outputs import SantanaLog
from satipatthana.system import SatipatthanaSystem
from tests.satipatthana.systems import clusters, small_system


@pytest.fixture(scope="module")
def system() -> SatipatthanaSystem:
    system = small_system().eval()
    x, _ = clusters()
    with torch.no_grad():
        system.samatha.sati.fit(system.samatha(x, run_augmenter=False)[1].to_tensor())
    return system


def rows_of(path: Path, batch: StageTwoBatch) -> list[int]:
    return [row for row, taken in enumerate(batch.paths) if taken == path]


def all_paths(count: int = 6) -> dict[Path, Tensor]:
    x, _ = clusters()
    return {path: x[n * count : (n + 1) * count] for n, path in enumerate(PATHS)}


def mixed(
    system: SatipatthanaSystem, samples: dict[Path, Tensor], level: float = 1.0
) -> StageTwoBatch:
    generator = torch.Generator().manual_seed(1)
    return mixed_batch(system, samples, level, ScoreWeights(), generator)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 40), seed=st.integers(0, 2**31))
def test_a_derangement_is_one_cycle_and_leaves_nothing_in_its_place(count: int, seed: int) -> None:
    order = derangement(count, torch.Generator().manual_seed(seed)).tolist()
    assert sorted(order) == list(range(count))
    assert all(place != item for place, item in enumerate(order))
    place, visited = 0, []
    for _ in range(count):
        visited.append(place)
        place = order[place]
    assert sorted(visited) == list(range(count))


def test_every_cycle_of_three_comes_up() -> None:
    generator = torch.Generator().manual_seed(0)
    found = {tuple(derangement(3, generator).tolist()) for _ in range(40)}
    assert found == {(1, 2, 0), (2, 0, 1)}


def test_one_sample_cannot_be_mismatched() -> None:
    with pytest.raises(ValueError, match="mismatched samples: expected at least 2, got 1"):
        derangement(1)


def test_only_the_mismatch_path_is_dealt_out_anew() -> None:
    paths: tuple[Path, ...] = ("clean", "mismatch", "mismatch", "mismatch", "void")
    rows = mismatched_rows(paths, torch.Generator().manual_seed(0)).tolist()
    assert rows[0] == 0
    assert rows[4] == 4
    assert sorted(rows[1:4]) == [1, 2, 3]
    assert all(row != place for place, row in enumerate(rows) if 1 <= place <= 3)


def test_mismatched_states_are_real_mismatches(system: SatipatthanaSystem) -> None:
    batch = mixed(system, all_paths())
    rows = rows_of("mismatch", batch)
    own, _, _ = system.samatha(batch.x[rows], run_augmenter=False)
    distances = torch.cdist(batch.s_star[rows], own)
    nearest = distances.argmin(dim=1).tolist()
    assert sorted(nearest) == list(range(len(rows)))
    assert all(row != place for place, row in enumerate(nearest))
    assert torch.allclose(distances.amin(dim=1), torch.zeros(len(rows)), atol=1e-5)


def test_targets_by_path(system: SatipatthanaSystem) -> None:
    batch = mixed(system, all_paths(), level=0.5)
    for path, target in (("clean", 1.0), ("drunk", 0.0), ("mismatch", 0.0), ("void", 0.0)):
        assert set(batch.targets[rows_of(path, batch), 0].tolist()) == {target}  # type: ignore[arg-type]
    augmented = batch.targets[rows_of("augmented", batch), 0]
    assert 0.5 <= float(augmented.min()) < float(augmented.max()) <= 1.0


def test_the_system_is_judged_by_the_input_that_it_saw(system: SatipatthanaSystem) -> None:
    samples = all_paths()
    batch = mixed(system, samples)
    augmented = batch.x[rows_of("augmented", batch)]
    assert not torch.equal(augmented, samples["augmented"])
    assert torch.equal(batch.x[rows_of("drunk", batch)], samples["drunk"])
    again, _, _ = system.samatha(augmented, run_augmenter=False)
    assert torch.allclose(batch.s_star[rows_of("augmented", batch)], again, atol=1e-5)


def test_drunk_samples_settle_elsewhere(system: SatipatthanaSystem) -> None:
    batch = mixed(system, all_paths())
    rows = rows_of("drunk", batch)
    sober, _, _ = system.samatha(batch.x[rows], run_augmenter=False)
    assert bool(((batch.s_star[rows] - sober).norm(dim=1) > 1e-3).all())


def test_weights_by_path_and_score(system: SatipatthanaSystem) -> None:
    batch = mixed_batch(system, all_paths(2), 1.0, judged_scores())
    for path in PATHS:
        trusted = 1.0 if path in ("clean", "void") else 0.0
        assert batch.weights[rows_of(path, batch)].tolist() == [[trusted, 1.0, 1.0]] * 2


def test_a_path_without_samples_is_left_out(system: SatipatthanaSystem) -> None:
    batch = mixed(system, {"clean": all_paths()["clean"]})
    assert set(batch.paths) == {"clean"}
    only_drunk = mixed(system, {"drunk": all_paths()["drunk"]})
    assert set(only_drunk.paths) == {"drunk"}


def test_extra_features_are_of_what_was_seen(system: SatipatthanaSystem) -> None:
    batch = mixed_batch(
        system, all_paths(), 1.0, ScoreWeights(), extra=lambda x: x.sum(dim=1, keepdim=True)
    )
    assert batch.extra is not None
    assert torch.equal(batch.extra, batch.x.sum(dim=1, keepdim=True))


def test_joined_logs_repeat_the_last_state_of_the_shorter() -> None:
    first, second = SantanaLog({"z": torch.zeros(1, 2)}), SantanaLog({"z": torch.ones(2, 2)})
    for state in (1.0, 2.0, 3.0):
        first.add(torch.full((1, 2), state))
    second.add(torch.full((2, 2), 7.0))
    first.convergence_steps, first.max_steps, second.max_steps = torch.tensor([2]), 5, 5
    log = joined([first, second])
    assert log.to_tensor()[:, :, 0].tolist() == [[1.0, 7.0, 7.0], [2.0, 7.0, 7.0], [3.0, 7.0, 7.0]]
    assert log.convergence_steps.tolist() == [2, 0, 0]
    assert log.metadata["z"].tolist() == [[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    assert log.max_steps == 5


def test_no_logs_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match="logs: expected at least 1, got 0"):
        joined([])


def test_the_specification_asks_for_a_fifth_each() -> None:
    assert path_counts(PathMix(), 100) == dict.fromkeys(PATHS, 20)


@settings(max_examples=50, deadline=None)
@given(
    shares=st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=4, max_size=4),
    batch_size=st.integers(6, 300),
)
def test_counts_add_up_and_every_share_is_heard(shares: list[float], batch_size: int) -> None:
    rest = dict(zip(PATHS[1:], shares, strict=True))
    mix = PathMix(clean=1.0, **rest)
    counts = path_counts(mix, batch_size)
    assert sum(counts.values()) == batch_size
    for path in PATHS:
        assert (counts[path] > 0) == (getattr(mix, path) > 0)
    assert counts["mismatch"] != 1


def test_a_batch_too_small_for_its_paths_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size: expected at least 6, got 5"):
        path_counts(PathMix(), 5)
