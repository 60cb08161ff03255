from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from satipatthana.void import (
    FeatureShuffleVoid,
    FilteredNoiseVoid,
    HeldOutClusterVoid,
    MixedVoid,
    MixupVoid,
    PatchShuffleVoid,
    VoidDataset,
    far_enough,
    far_mask,
    kth_distances,
)
from tests.satipatthana.systems import CLASSES, clusters


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


KNOWN, CLUSTERS = clusters(60)
EVERY: dict[str, Callable[[torch.Generator], VoidDataset]] = {
    "given": lambda generator: VoidDataset(torch.randn(12, 7, generator=generator)),
    "noise": lambda generator: FilteredNoiseVoid(KNOWN, 12, generator=generator),
    "shuffle": lambda generator: FeatureShuffleVoid(KNOWN, 12, generator),
    "mixup": lambda generator: MixupVoid(KNOWN, 12, num_clusters=3, generator=generator),
    "clusters": lambda generator: HeldOutClusterVoid(KNOWN, num_clusters=3, generator=generator),
    "mixed": lambda generator: MixedVoid(
        [VoidDataset(KNOWN), FeatureShuffleVoid(KNOWN, 12, generator)],
        count=12,
        generator=generator,
    ),
}


@pytest.mark.parametrize("kind", EVERY)
def test_every_void_is_a_data_set_of_samples_with_target_zero(kind: str) -> None:
    void = EVERY[kind](seeded())
    assert len(void) >= 12
    items = [void[index] for index in range(len(void))]
    assert {target for _, target in items} == {0.0}
    assert all(sample.shape == (7,) for sample, _ in items)
    batches = list(torch.utils.data.DataLoader(void, batch_size=5))
    assert sum(len(batch[0]) for batch in batches) == len(void)


@pytest.mark.parametrize("kind", EVERY)
def test_every_void_follows_its_seed(kind: str) -> None:
    drawn = [EVERY[kind](seeded(seed)).samples for seed in (1, 1, 2, 3, 4, 5, 6)]
    assert torch.equal(drawn[0], drawn[1])
    assert not all(torch.equal(drawn[0], other) for other in drawn[2:])


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 9), count=st.integers(0, 30))
def test_samples_come_twice_only_when_all_have_come(size: int, count: int) -> None:
    void = VoidDataset(torch.arange(float(size))[:, None])
    drawn = void.sample(count, seeded())[:, 0].long()
    times = torch.bincount(drawn, minlength=size)
    assert len(drawn) == count
    assert int(times.max() - times.min()) <= 1


def test_noise_is_farther_than_the_known_are_from_each_other() -> None:
    void = FilteredNoiseVoid(KNOWN, 50, k=3, quantile=0.9, generator=seeded())
    own = torch.cdist(KNOWN, KNOWN).sort(dim=1).values[:, 3]
    found = torch.cdist(void.samples, KNOWN).sort(dim=1).values[:, 2]
    assert len(void) == 50
    assert float(found.min()) > float(own.quantile(0.9)) - 1e-3


def test_noise_falls_into_the_hole_of_a_ring() -> None:
    angle = torch.linspace(0, 6.283, 400)
    radii = 1.0 + 0.05 * torch.randn(400, generator=seeded(3))
    ring = radii[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    void = FilteredNoiseVoid(ring, 200, margin=0.2, generator=seeded())
    radius = void.samples.norm(dim=1)
    assert bool((radius < 0.5).any())
    assert bool((radius > 1.1).any())
    assert not bool(((radius - 1).abs() < 0.03).any())


def test_no_room_for_noise_is_told() -> None:
    line = torch.linspace(0, 1, 300)[:, None]
    with pytest.raises(ValueError, match="margin: expected room for 5 samples of noise outside"):
        FilteredNoiseVoid(line, 5, margin=0.0, k=5, quantile=1.0, generator=seeded())


def test_each_feature_is_that_of_some_known_sample() -> None:
    void = FeatureShuffleVoid(KNOWN, 40, seeded())
    for column in range(KNOWN.shape[1]):
        assert bool(torch.isin(void.samples[:, column], KNOWN[:, column]).all())
    assert not bool((torch.cdist(void.samples, KNOWN) < 1e-4).any())


def test_a_part_of_the_features_can_stay_a_samples_own() -> None:
    known = torch.arange(40.0)[:, None].expand(40, 100).contiguous()
    void = FeatureShuffleVoid(known, 200, seeded(), shares=(0.25, 0.25)).samples
    own = void.mode(dim=1).values
    # A quarter is drawn anew, of which a fortieth is the sample's own again.
    assert float((void != own[:, None]).float().mean()) == pytest.approx(0.25 * 39 / 40, abs=0.01)


def test_shares_stay_between_nothing_and_all() -> None:
    with pytest.raises(ValueError, match="shares: expected 0.0 to 0.2, got 0.5"):
        FeatureShuffleVoid(KNOWN, 3, shares=(0.5, 0.2))
    with pytest.raises(ValueError, match="shares: expected 0.5 to 1.0, got 1.5"):
        FeatureShuffleVoid(KNOWN, 3, shares=(0.5, 1.5))


def test_tokens_can_be_shuffled_too() -> None:
    tokens = torch.arange(40).reshape(8, 5)
    void = FeatureShuffleVoid(tokens, 10, seeded())
    assert void.samples.dtype == torch.long
    assert bool((void.samples % 5 == torch.arange(5)).all())


def test_every_patch_moves_and_none_is_lost() -> None:
    images = torch.arange(3 * 2 * 4 * 6.0).reshape(3, 2, 4, 6)
    void = PatchShuffleVoid(images, 3, 2, seeded())
    order = {float(image.min()): image for image in images}
    for shuffled in void.samples:
        image = order[float(shuffled.min())]
        for row in range(0, 4, 2):
            for column in range(0, 6, 2):
                place = (slice(None), slice(row, row + 2), slice(column, column + 2))
                assert not torch.equal(shuffled[place], image[place])
        assert torch.equal(shuffled.flatten().sort().values, image.flatten().sort().values)
        corner = shuffled[0, :2, :2]
        found = (image[0] == corner[0, 0]).nonzero()[0].tolist()
        assert torch.equal(image[0, found[0] : found[0] + 2, found[1] : found[1] + 2], corner)


@pytest.mark.parametrize("patch", [3, 4, 8])
def test_patches_have_to_fit(patch: int) -> None:
    with pytest.raises(ValueError, match="patch: expected a side that divides 4 x 4 into two"):
        PatchShuffleVoid(torch.zeros(2, 1, 4, 4), 1, patch)


def test_mixtures_lie_between_two_clusters() -> None:
    corners = 10.0 * torch.eye(CLASSES)
    known = corners[CLUSTERS]
    void = MixupVoid(known, 80, clusters=CLUSTERS, generator=seeded())
    ordered = void.samples.sort(dim=1, descending=True).values
    assert torch.allclose(ordered[:, :2].sum(dim=1), torch.full((80,), 10.0))
    assert not ordered[:, 2].any()
    assert float(ordered[:, 0].max()) <= 7.0 + 1e-4
    pairs = {tuple(row) for row in (void.samples > 0).tolist()}
    assert len(pairs) == 3


def test_one_cluster_cannot_be_mixed() -> None:
    with pytest.raises(ValueError, match="clusters: expected at least 2, got 1"):
        MixupVoid(KNOWN, 5, clusters=torch.zeros(60, dtype=torch.long))


def test_held_out_clusters_and_the_rest_make_up_the_known() -> None:
    void = HeldOutClusterVoid(KNOWN, clusters=CLUSTERS, held_out=2, generator=seeded())
    assert len(void) + len(void.kept) == len(KNOWN)
    kept = set(CLUSTERS[void.kept].tolist())
    assert len(kept) == 1
    left = torch.cat([void.samples, KNOWN[void.kept]])
    assert torch.allclose(left.sum(dim=0), KNOWN.sum(dim=0), atol=1e-3)


def test_clusters_are_found_where_none_are_given() -> None:
    void = HeldOutClusterVoid(KNOWN, num_clusters=CLASSES, generator=seeded())
    held = {int(torch.cdist(row[None], KNOWN).argmin()) % CLASSES for row in void.samples}
    assert len(held) == 1
    assert len(void) == 20


def test_all_clusters_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="held_out: expected 1 to 2, got 3"):
        HeldOutClusterVoid(KNOWN, clusters=CLUSTERS, held_out=3)


def test_shares_of_a_mixture() -> None:
    parts = [VoidDataset(torch.full((5, 1), value)) for value in (1.0, 2.0, 3.0)]
    void = MixedVoid(parts, [0.5, 0.25, 0.25], count=20, generator=seeded())
    assert torch.bincount(void.samples[:, 0].long()).tolist() == [0, 10, 5, 5]
    assert len(MixedVoid(parts)) == 15


@pytest.mark.parametrize(
    ("shares", "message"),
    [([1.0], "shares: expected 2 entries, got 1"), ([1.0, 0.0], "shares: expected above 0.0")],
)
def test_shares_have_to_be_one_each_above_zero(shares: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixedVoid([VoidDataset(KNOWN), VoidDataset(KNOWN)], shares)


def test_far_enough_by_hand() -> None:
    known = torch.tensor([[0.0], [1.0], [2.0], [4.0]])  # nearest: 1, 1, 1, 2
    candidates = torch.tensor([[0.5], [3.0], [5.5], [7.0]])  # nearest: .5, 1, 1.5, 3
    assert far_mask(candidates, known, k=1, quantile=0.5).tolist() == [False, False, True, True]
    assert far_enough(candidates, known, k=1, quantile=1.0).tolist() == [[7.0]]


def test_nothing_may_be_far_enough() -> None:
    assert far_enough(KNOWN, KNOWN, k=1, quantile=0.5).shape == (0, 7)


def test_the_kth_distance_equals_the_loop() -> None:
    samples, known = torch.randn(5, 3), torch.randn(7, 3)
    found = kth_distances(samples, known, 2).tolist()
    for row, distance in zip(samples.tolist(), found, strict=True):
        distances = sorted(
            sum((a - b) ** 2 for a, b in zip(row, other, strict=True)) ** 0.5
            for other in known.tolist()
        )
        assert distance == pytest.approx(distances[1], abs=1e-5)


def empty(samples: Tensor) -> VoidDataset:
    return VoidDataset(samples[:0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: empty(KNOWN), "samples: expected one sample or more, got an empty batch"),
        (lambda: VoidDataset(torch.tensor([[float("nan")]])), "samples: expected finite numbers"),
        (lambda: FilteredNoiseVoid(KNOWN[:5], 3), "known samples: expected at least 11, got 5"),
        (lambda: FeatureShuffleVoid(KNOWN[:1], 3), "known samples: expected at least 2, got 1"),
        (lambda: far_enough(KNOWN[:, :3], KNOWN), r"candidates: expected the shape \(B, 7\), got"),
        (lambda: VoidDataset(KNOWN).sample(-1), "count: expected at least 0, got -1"),
        (lambda: MixedVoid([]), "parts: expected at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
