"""Samples of the unknown, from which stage 2 learns what not to trust.

Noise alone teaches only what is far away. Shuffled features are near, mixtures and left-out
clusters nearer still; what lies among the known is no void, and `far_enough` takes it out.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from satipatthana.arguments import (
    require_at_least,
    require_batch,
    require_between,
    require_inside,
    require_length,
)
from satipatthana.samatha.clusters import lloyd, spread_centres
from satipatthana.samatha.draws import randint, randperm, uniform
from satipatthana.shapes import Bool, Float, Int, Shaped

DISTANCES_AT_ONCE = 1024
"""Rows of a distance table that are held at one time."""
MEASURED_KNOWN = 2048
"""Known samples, at most, that clusters and the known's own distances are made from."""
ROUNDS = 50
"""How often noise is drawn anew before giving up."""


class VoidDataset(Dataset[tuple[Tensor, float]]):
    """Unknown samples, each with its target: trust 0."""

    def __init__(self, samples: Shaped[Tensor, "N ..."]) -> None:
        """ValueError where there is no sample, or one that is not finite."""
        require_batch("samples", samples, samples.shape[1:])
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, float]:
        return self.samples[index], 0.0

    def sample(
        self, count: int, generator: torch.Generator | None = None
    ) -> Shaped[Tensor, "N ..."]:
        """So many samples at random, none twice as long as there are enough."""
        require_at_least("count", count, 0)
        laps = [randperm(len(self), generator) for _ in range(0, max(count, 1), len(self))]
        return self.samples[torch.cat(laps)[:count].to(self.samples.device)]


class FilteredNoiseVoid(VoidDataset):
    """Noise that is farther from the known than the known are from each other."""

    def __init__(
        self,
        known: Float[Tensor, "N ..."],
        count: int,
        margin: float = 0.5,
        k: int = 10,
        quantile: float = 0.95,
        generator: torch.Generator | None = None,
    ) -> None:
        """Uniform in the known's range of each feature, widened by `margin` of it on both sides.

        ValueError where noise keeps falling among the known.
        """
        require_batch("known", known, known.shape[1:])
        require_at_least("count", count, 1)
        require_at_least("margin", margin, 0.0)
        low, high = known.amin(dim=0), known.amax(dim=0)
        low, high = low - margin * (high - low), high + margin * (high - low)
        kept: list[Tensor] = []
        for _ in range(ROUNDS):
            share = uniform([count, *known.shape[1:]], known, generator)
            kept.append(far_enough(low + share * (high - low), known, k, quantile))
            if sum(map(len, kept)) >= count:
                break
        found = torch.cat(kept)[:count]
        if len(found) < count:
            raise ValueError(
                f"margin: expected room for {count} samples of noise outside the known,"
                f" got {len(found)} with {margin}; widen it or lower quantile"
            )
        super().__init__(found)


class FeatureShuffleVoid(VoidDataset):
    """Features of a sample drawn from other known ones: every part known, the whole not."""

    def __init__(
        self,
        known: Shaped[Tensor, "N ..."],
        count: int,
        generator: torch.Generator | None = None,
        shares: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """`shares`: least and largest share of a sample's features that are drawn anew; each sample
        has its own, and the fewer, the nearer it is. ValueError for fewer than two known samples.
        """
        require_batch("known", known, known.shape[1:])
        require_at_least("known samples", len(known), 2)
        require_between("shares", shares[0], 0.0, shares[1])
        require_between("shares", shares[1], shares[0], 1.0)
        flat = known.flatten(1)
        rows = randint(len(known), (count, flat.shape[1]), generator).to(known.device)
        columns = torch.arange(flat.shape[1], device=known.device)
        samples = flat[rows, columns]
        if shares[0] < 1.0:
            own = flat[randint(len(known), (count,), generator).to(known.device)]
            share = shares[0] + (shares[1] - shares[0]) * uniform([count, 1], flat, generator)
            samples = torch.where(uniform(samples.shape, flat, generator) < share, samples, own)
        super().__init__(samples.reshape(count, *known.shape[1:]))


class PatchShuffleVoid(VoidDataset):
    """Images cut into squares that are put back in other places."""

    def __init__(
        self,
        images: Float[Tensor, "N channels height width"],
        count: int,
        patch: int,
        generator: torch.Generator | None = None,
    ) -> None:
        """No square keeps its place. ValueError unless `patch` pixels divide both sides."""
        require_batch("images", images, images.shape[1:])
        channels, height, width = images.shape[1:]
        if height % patch or width % patch or height * width <= patch * patch:
            raise ValueError(
                f"patch: expected a side that divides {height} x {width} into two or more,"
                f" got {patch}"
            )
        chosen = VoidDataset(images).sample(count, generator)
        rows, columns = height // patch, width // patch
        patches = chosen.reshape(count, channels, rows, patch, columns, patch)
        patches = patches.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
        order = torch.stack([randperm(rows * columns, generator) for _ in range(count)])
        # A cycle through all places moves every square.
        places = torch.empty_like(order).scatter_(1, order, order.roll(1, dims=1))
        moved = patches[torch.arange(count)[:, None], places.to(images.device)]
        moved = moved.reshape(count, rows, columns, channels, patch, patch)
        moved = moved.permute(0, 3, 1, 4, 2, 5)
        super().__init__(moved.reshape(count, channels, height, width))


class MixupVoid(VoidDataset):
    """Points between two clusters of the known."""

    def __init__(
        self,
        known: Float[Tensor, "N ..."],
        count: int,
        clusters: Int[Tensor, " N"] | None = None,
        num_clusters: int = 8,
        generator: torch.Generator | None = None,
    ) -> None:
        """30 to 70 % of the one sample and the rest of the other, from different clusters.

        `clusters`: number of each sample's cluster; None: found by k-means. ValueError where there
        is only one.
        """
        require_batch("known", known, known.shape[1:])
        clusters = known_clusters(known, clusters, num_clusters, generator)
        order = torch.argsort(clusters, stable=True)
        ends = torch.cumsum(torch.bincount(clusters), dim=0)
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        rows = randint(len(known), (count,), generator).to(known.device)
        own = clusters[rows]
        others = len(known) - (ends - starts)[own]
        # Positions in the ordered list, jumping over the sample's own cluster.
        share = uniform([count], known, generator)
        position = (share * others).long().clamp_max(others - 1)
        position = torch.where(position >= starts[own], position + (ends - starts)[own], position)
        weight = (0.3 + 0.4 * uniform([count], known, generator)).reshape(
            -1, *[1] * (known.dim() - 1)
        )
        super().__init__(weight * known[rows] + (1 - weight) * known[order[position]])


class HeldOutClusterVoid(VoidDataset):
    """Whole clusters of the known, which the system is then not shown as known."""

    kept: Int[Tensor, " N"]
    """Rows of the samples that stay known."""

    def __init__(
        self,
        known: Float[Tensor, "N ..."],
        clusters: Int[Tensor, " N"] | None = None,
        num_clusters: int = 8,
        held_out: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        """`held_out` clusters at random. ValueError where none would stay."""
        require_batch("known", known, known.shape[1:])
        clusters = known_clusters(known, clusters, num_clusters, generator)
        present = torch.unique(clusters)
        require_between("held_out", held_out, 1, len(present) - 1)
        chosen = present[randperm(len(present), generator)[:held_out].to(known.device)]
        held_mask = torch.isin(clusters, chosen)
        self.kept = (~held_mask).nonzero()[:, 0]
        super().__init__(known[held_mask])


class MixedVoid(VoidDataset):
    """Several kinds of unknown, in the shares asked for."""

    def __init__(
        self,
        parts: Sequence[VoidDataset],
        shares: Sequence[float] | None = None,
        count: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """`count` samples in all, None: as many as the parts have; shares None: equal ones.

        ValueError for no part, or where the shares are not one for each part, above 0.
        """
        require_at_least("parts", len(parts), 1)
        shares = [1.0] * len(parts) if shares is None else list(shares)
        require_length("shares", shares, len(parts))
        for share in shares:
            require_inside("shares", share, 0.0, float("inf"))
        total = sum(map(len, parts)) if count is None else count
        require_at_least("count", total, len(parts))
        ends = [round(total * sum(shares[: i + 1]) / sum(shares)) for i in range(len(parts))]
        counts = [end - start for start, end in zip([0, *ends], ends, strict=False)]
        drawn = [part.sample(n, generator) for part, n in zip(parts, counts, strict=True)]
        super().__init__(torch.cat(drawn))


def far_enough(
    candidates: Float[Tensor, "N ..."],
    known: Float[Tensor, "N2 ..."],
    k: int = 10,
    quantile: float = 0.25,
) -> Float[Tensor, "N3 ..."]:
    """The candidates whose k-th nearest known sample is far away, which may be none.

    Far: beyond that quantile of the same distance among the known themselves. ValueError where
    there are no more than k known samples.
    """
    return candidates[far_mask(candidates, known, k, quantile)]


def far_mask(
    candidates: Float[Tensor, "N ..."],
    known: Float[Tensor, "N2 ..."],
    k: int = 10,
    quantile: float = 0.25,
) -> Bool[Tensor, " N"]:
    """True for the candidates that `far_enough` keeps."""
    require_batch("candidates", candidates, known.shape[1:])
    require_at_least("k", k, 1)
    require_at_least("known samples", len(known), k + 1)
    require_between("quantile", quantile, 0.0, 1.0)
    step = -(-len(known) // MEASURED_KNOWN)
    # Each known sample finds itself first, at distance 0.
    own = kth_distances(known.flatten(1)[::step], known.flatten(1), k + 1)
    limit = own.quantile(quantile)
    return kth_distances(candidates.flatten(1), known.flatten(1), k) > limit


def kth_distances(
    samples: Float[Tensor, "N F"], known: Float[Tensor, "N2 F"], k: int
) -> Float[Tensor, " N"]:
    """Distance from each sample to its k-th nearest known one."""
    chunks = torch.split(samples, DISTANCES_AT_ONCE)
    return torch.cat(
        [torch.cdist(chunk, known).topk(k, dim=1, largest=False).values[:, -1] for chunk in chunks]
    )


def known_clusters(
    known: Float[Tensor, "N ..."],
    clusters: Int[Tensor, " N"] | None,
    num_clusters: int,
    generator: torch.Generator | None,
) -> Int[Tensor, " N"]:
    """The clusters given, or those of k-means; ValueError unless there are two or more."""
    if clusters is None:
        flat = known.flatten(1)
        measured = flat[:: -(-len(flat) // MEASURED_KNOWN)]
        centres = lloyd(measured, spread_centres(measured, num_clusters, generator))
        clusters = torch.cdist(flat, centres).argmin(dim=1)
    require_length("clusters", clusters, len(known))
    require_at_least("clusters", len(torch.unique(clusters)), 2)
    return clusters
