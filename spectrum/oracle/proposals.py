"""Boxes for ORACLE 4.1 without a detector: parts of a grid of tokens that hang together.

After normalised cuts (Shi and Malik, PAMI 2000) on an encoder's own tokens (as TokenCut,
arXiv:2202.11539, and deep spectral methods, arXiv:2205.07839): the first eigenvectors of the
graph of tokens are cut at a few levels, what hangs together is a candidate, and the best that
differ are kept. No class is known, nothing is learned, and the same grid gives the same boxes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class ProposalConfig:
    """How boxes are found. The defaults were chosen on photographs of COCO."""

    most: int = 8
    """K, boxes an image; >= 1."""
    temperature: float = 0.3
    """Cosine of two centred tokens over this is the logarithm of their affinity; > 0."""
    reach: float = 2.0
    """Tokens further apart than this, in tokens, hang together less; > 0."""
    eigenvectors: int = 6
    """Ways to cut the grid in two; >= 1."""
    levels: tuple[float, ...] = (0.0, 0.5, 1.0)
    """Where each is cut, above and below its mean, in standard deviations; >= 0."""
    fineness: int = 2
    """Points a token's side is divided in before it is cut, so that boxes end inside it; >= 1."""
    least_area: float = 0.01
    """A smaller part is no candidate; share of the frame, in [0, 1)."""
    most_overlap: float = 0.5
    """Intersection over union of two boxes that are both kept, at most; in (0, 1]."""

    def __post_init__(self) -> None:
        for name in ("most", "eigenvectors", "fineness"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("temperature", "reach", "most_overlap"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if not self.levels or not all(level >= 0.0 for level in self.levels):
            raise ValueError(f"levels must be some numbers of 0 or above, got {self.levels}")
        if not 0.0 <= self.least_area < 1.0:
            raise ValueError(f"least_area must be at least 0 and below 1, got {self.least_area}")


class Proposals(NamedTuple):
    """Boxes of each image, the best first."""

    boxes: Float[Tensor, "B K 4"]
    """Left, top, right, bottom in shares of the frame; 0 where there is no box."""
    mask: Bool[Tensor, "B K"]
    """True where there is a box; every image has one."""


@torch.no_grad()
def proposals(grid: Float[Tensor, "B Y X C"], config: ProposalConfig | None = None) -> Proposals:
    """Where an image's objects may be, K boxes at most. ValueError for a grid without tokens.

    A grid of a single token has one box, the whole frame. Images do not see each other.
    """
    config = config or ProposalConfig()
    if grid.numel() == 0:
        raise ValueError(f"grid is empty, shape {tuple(grid.shape)}: give at least one token")
    # A few images at once stay in the processor's cache; more are slower, image by image.
    found = [_few_proposals(part, config) for part in torch.split(grid, 4)]
    boxes, masks = zip(*found, strict=True)
    return Proposals(torch.cat(boxes), torch.cat(masks))


def _few_proposals(grid: Float[Tensor, "B Y X C"], config: ProposalConfig) -> Proposals:
    images, rows, columns, _ = grid.shape
    if rows * columns == 1:
        return _chosen(grid.new_zeros(images, 1, 4), grid.new_zeros(images, 1), config)
    size = (rows * config.fineness, columns * config.fineness)
    maps = _finer(cuts(affinities(grid, config), rows, columns, config.eigenvectors), size)
    salience = _finer(grid.norm(dim=-1)[:, None], size)[:, 0]
    salience = salience / salience.mean(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    deviations = maps - maps.mean(dim=(2, 3), keepdim=True)
    spread = maps.std(dim=(2, 3), keepdim=True, correction=0)
    sides = [sign * deviations > level * spread for level in config.levels for sign in (1.0, -1.0)]
    parts = largest_parts(torch.cat(sides, dim=1))
    areas = parts.to(grid.dtype).mean(dim=(2, 3))
    shown = (parts * salience[:, None]).mean(dim=(2, 3)) / areas.clamp(min=1e-12)
    # Of two parts that stand out as much, the larger one is more often an object.
    merits = shown * areas**0.25
    return _chosen(
        bounding_boxes(parts), merits.masked_fill(areas < config.least_area, 0.0), config
    )


def affinities(grid: Float[Tensor, "B Y X C"], config: ProposalConfig) -> Float[Tensor, "B N N"]:
    """How much each two tokens hang together: alike beside the image's mean, and near; > 0."""
    rows, columns = grid.shape[1:3]
    tokens = grid.flatten(1, 2)
    units = functional.normalize(tokens - tokens.mean(dim=1, keepdim=True), dim=-1)
    alike = ((units @ units.mT - 1) / config.temperature).exp()
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).to(grid)
    apart = (places[:, None] - places).square().sum(dim=-1)
    return alike * (-apart / (2 * config.reach**2)).exp()


def cuts(
    affinity: Float[Tensor, "B N N"], rows: int, columns: int, count: int
) -> Float[Tensor, "B V Y X"]:
    """The relaxed normalised cuts of the graph, as maps; the best first, V at most `count`.

    Solutions of (D - W) y = lambda D y with the least lambda, the constant one left out.
    """
    roots = affinity.sum(dim=-1).sqrt()
    # Float64, since close eigenvalues of float32 depend on the machine.
    alike = (affinity / (roots[:, :, None] * roots[:, None])).double()
    vectors = torch.linalg.eigh(alike).eigenvectors.flip(-1)[..., 1 : count + 1]
    found = vectors.to(affinity.dtype) / roots[..., None]
    made: Tensor = found.mT.reshape(len(affinity), -1, rows, columns)
    return made


def largest_parts(masks: Bool[Tensor, "B V y x"], count: int = 2) -> Bool[Tensor, "B W y x"]:
    """The `count` largest parts of each mask that hang together by sides; all False without one."""
    flat = masks.flatten(0, 1)
    cells = flat[0].numel()
    numbers = torch.arange(cells, 0, -1, device=masks.device, dtype=torch.float32)
    labels = numbers.reshape(flat.shape[1:]) * flat
    while True:
        # Each cell takes the largest number beside it, until no number moves.
        down = functional.max_pool2d(labels[:, None], (3, 1), 1, (1, 0))
        right = functional.max_pool2d(labels[:, None], (1, 3), 1, (0, 1))
        spread = torch.maximum(down, right)[:, 0] * flat
        if torch.equal(spread, labels):
            break
        labels = spread
    counts = labels.new_zeros(len(flat), cells + 1)
    counts.scatter_add_(1, labels.flatten(1).long(), torch.ones_like(labels).flatten(1))
    counts[:, 0] = 0
    # Stable, so that of equal parts the lower right one comes first on every machine.
    order = counts.sort(dim=1, descending=True, stable=True)
    best = order.indices[:, :count].masked_fill(order.values[:, :count] == 0, -1)
    parts = labels[:, None] == best[..., None, None]
    return parts.reshape(len(masks), -1, *masks.shape[2:])


def bounding_boxes(parts: Bool[Tensor, "B W y x"]) -> Float[Tensor, "B W 4"]:
    """The least box around each part, shares of the frame; 0 around none."""
    sides = []
    for filled in (parts.any(dim=2), parts.any(dim=3)):
        cells = filled.shape[-1]
        first = filled.to(torch.uint8).argmax(dim=-1)
        last = cells - filled.flip(-1).to(torch.uint8).argmax(dim=-1)
        some = filled.any(dim=-1)
        sides.append((first * some / cells, last * some / cells))
    (left, right), (top, bottom) = sides
    return torch.stack([left, top, right, bottom], dim=-1)


def _finer(maps: Float[Tensor, "B V Y X"], size: tuple[int, int]) -> Float[Tensor, "B V y x"]:
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)


def _chosen(
    boxes: Float[Tensor, "B W 4"], merits: Float[Tensor, "B W"], config: ProposalConfig
) -> Proposals:
    """The best candidates, none of which overlaps a better one too much; merit 0 is no candidate.

    Where nothing is a candidate the whole frame is the one box.
    """
    order = merits.sort(dim=1, descending=True, stable=True)
    boxes = boxes.gather(1, order.indices[..., None].expand(-1, -1, 4)).to(merits.dtype)
    alive, images = order.values > 0, torch.arange(len(boxes), device=boxes.device)
    made = Proposals(
        boxes.new_zeros(len(boxes), config.most, 4), alive.new_zeros(len(boxes), config.most)
    )
    for place in range(config.most):
        found, best = alive.any(dim=1), alive.to(torch.uint8).argmax(dim=1)
        chosen = boxes[images, best] * found[:, None]
        made.boxes[:, place], made.mask[:, place] = chosen, found
        alive = alive & (_overlap(chosen[:, None], boxes) <= config.most_overlap)
        alive[images, best] = False
    nothing = ~made.mask[:, 0]
    made.boxes[nothing, 0] = boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    made.mask[nothing, 0] = True
    return made


def _overlap(first: Float[Tensor, "B _ 4"], second: Float[Tensor, "B W 4"]) -> Tensor:
    """Intersection over union, of one box with several."""
    starts = torch.maximum(first[..., :2], second[..., :2])
    ends = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (ends - starts).clamp(min=0.0).prod(dim=-1)
    areas = [(each[..., 2:] - each[..., :2]).prod(dim=-1) for each in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-12)
