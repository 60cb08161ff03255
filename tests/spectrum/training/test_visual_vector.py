"""The visual vector: centred on sets of photographs, its blocks in proportion."""

import pytest
import torch

from spectrum.training.visual_vector import VisualBalance, VisualVector

BLOCKS = (2, 3, 4)
VARIANCES = torch.tensor([4.0, 1.0, 9.0, 4.0, 1.0])


def parts(seed: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, 5, generator=generator),
        torch.randn(count, 4, generator=generator),
    )


def test_vectors_are_those_of_the_formula() -> None:
    """Against a loop: weights by block, centre halfway between the two sets' means."""
    balance = VisualBalance(extractor=0.3, directions=0.7, whitened=0.5)
    vector = VisualVector(BLOCKS, balance)
    sets = [torch.cat(parts(seed, count), dim=1) for seed, count in ((1, 3), (2, 11))]
    vector.fit(sets, VARIANCES)
    whitened, directions = parts(3, 2)
    made = vector(whitened, directions)
    variances = [*VARIANCES.tolist(), 1.0, 1.0, 1.0, 1.0]
    shares = [0.3, 0.3, 1.0, 1.0, 1.0, 0.7, 0.7, 0.7, 0.7]
    sums = [2.0 + 1.0] * 2 + [3.0 + 2.0 + 1.0] * 3 + [4.0] * 4
    for row in range(2):
        entering = [*whitened[row].tolist(), *directions[row].tolist()]
        wanted = []
        for place, value in enumerate(entering):
            means = [float(each[:, place].mean()) for each in sets]
            weight = shares[place] * (variances[place] ** 0.5 / sums[place]) ** 0.5
            wanted.append(weight * (value - sum(means) / 2))
        length = sum(value * value for value in wanted) ** 0.5
        assert made[row].tolist() == pytest.approx([value / length for value in wanted], abs=1e-5)


def test_blocks_have_the_lengths_that_were_asked_for() -> None:
    """Of features of deviation 1, the squared lengths are as the squares of the shares."""
    for whitened in (0.0, 0.5, 1.0):
        vector = VisualVector(
            BLOCKS, VisualBalance(extractor=0.3, directions=0.7, whitened=whitened)
        )
        vector.fit([torch.zeros(1, 9)], VARIANCES)
        lengths = [part.square().sum().item() for part in torch.split(vector.weight, BLOCKS)]
        assert lengths == pytest.approx([0.09, 1.0, 0.49], abs=1e-5)


def test_wholly_whitened_directions_count_alike() -> None:
    vector = VisualVector(BLOCKS, VisualBalance(whitened=1.0))
    vector.fit([torch.zeros(1, 9)], VARIANCES)
    for part in torch.split(vector.weight, BLOCKS):
        assert part.min().item() == pytest.approx(part.max().item())


def test_a_share_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"whitened must lie in \[0, 1\], got 1.5"):
        VisualBalance(whitened=1.5)
