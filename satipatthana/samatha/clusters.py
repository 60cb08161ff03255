"""k-means: where samples gather. Torch has none, and the framework asks for nothing but torch."""

import torch
from torch import Generator, Tensor

from satipatthana.samatha.draws import uniform
from satipatthana.samatha.resonance import squared_distances
from satipatthana.shapes import Float

LLOYD_ITERATIONS = 20


def spread_centres(
    z: Float[Tensor, "N D"], count: int, generator: Generator | None
) -> Float[Tensor, "K D"]:
    """k-means++ (Arthur and Vassilvitskii, 2007): each centre is drawn with probability
    proportional to the squared distance to the nearest one before; at most `count`, all different.
    """
    nearest = torch.ones(len(z), dtype=z.dtype, device=z.device)
    chosen: list[Tensor] = []
    while len(chosen) < count and bool((nearest > 0).any()):
        shares = nearest.cumsum(dim=0)
        drawn = uniform([1], z, generator) * shares[-1]
        centre = z[int(torch.searchsorted(shares, drawn, right=True).clamp(max=len(z) - 1))]
        to_centre = squared_distances(z, centre.unsqueeze(0)).squeeze(1)
        nearest = torch.minimum(nearest, to_centre) if chosen else to_centre
        chosen.append(centre)
    return torch.stack(chosen)


def lloyd(z: Float[Tensor, "N D"], centres: Float[Tensor, "K D"]) -> Float[Tensor, "K D"]:
    """Centres moved to the mean of what is nearest to them, until none moves or 20 times. One that
    nothing is nearest to stays."""
    for _ in range(LLOYD_ITERATIONS):
        owners = squared_distances(z, centres).argmin(dim=1)
        counts = owners.bincount(minlength=len(centres)).unsqueeze(1).to(z.dtype)
        sums = torch.zeros_like(centres).index_add_(0, owners, z)
        moved = torch.where(counts > 0, sums / counts.clamp(min=1.0), centres)
        if torch.equal(moved, centres):
            break
        centres = moved
    return centres
