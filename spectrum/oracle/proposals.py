"""Boxes for ORACLE 4.1 without a detector: parts of a grid of tokens that hang together.

After normalised cuts (Shi and Malik, PAMI 2000) on an encoder's own tokens (as TokenCut,
arXiv:2202.11539, and deep spectral methods, arXiv:2205.07839): the first eigenvectors of the
graph of tokens are cut at a few levels, what hangs together is a candidate, and the best that
differ are kept. No class is known, nothing is learned, and the same grid gives the same boxes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
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
    # Some images at once stay in the processor's cache; more are slower, image by image.
    found = [_candidates(part, config) for part in torch.split(grid, 32)]
    boxes, merits = zip(*found, strict=True)
    return _chosen(torch.cat(boxes), torch.cat(merits), config)


def _candidates(
    grid: Float[Tensor, "B Y X C"], config: ProposalConfig
) -> tuple[Float[Tensor, "B W 4"], Float[Tensor, "B W"]]:
    """Boxes, and how much there is to each; 0 where there is none."""
    images, rows, columns, _ = grid.shape
    if rows * columns == 1:
        return grid.new_zeros(images, 1, 4), grid.new_zeros(images, 1)
    size = (rows * config.fineness, columns * config.fineness)
    maps = _finer(cuts(affinities(grid, config), rows, columns, config.eigenvectors), size)
    salience = _finer(grid.norm(dim=-1)[:, None], size).flatten(1)
    salience = salience / salience.mean(dim=1, keepdim=True).clamp(min=1e-12)
    deviations = maps - maps.mean(dim=(2, 3), keepdim=True)
    spread = maps.std(dim=(2, 3), keepdim=True, correction=0)
    sides = [sign * deviations > level * spread for level in config.levels for sign in (1.0, -1.0)]
    parts = largest_parts(torch.cat(sides, dim=1))
    filled = parts.flatten(2).to(grid.dtype)
    areas = filled.mean(dim=2)
    shown = (filled * salience[:, None]).mean(dim=2) / areas.clamp(min=1e-12)
    # Of two parts that stand out as much, the larger one is more often an object.
    merits = shown * areas**0.25
    return bounding_boxes(parts), merits.masked_fill(areas < config.least_area, 0.0)


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
    numbers, owners = _numbered_parts(masks.flatten(0, 1))
    areas = np.bincount(numbers.ravel(), minlength=1)[1:]
    # Of equal parts the lower right one comes first, on every machine.
    order = np.lexsort((-np.arange(len(areas)), -areas, owners)) + 1
    ends = np.cumsum(np.bincount(owners, minlength=len(numbers)))
    places = np.concatenate([[0], ends[:-1]])[:, None] + np.arange(count)
    best = np.append(order, -1)[np.where(places < ends[:, None], places, -1)]
    parts = numbers[:, None] == best[:, :, None, None].astype(numbers.dtype)
    return torch.from_numpy(parts).to(masks.device).reshape(len(masks), -1, *masks.shape[2:])


def _numbered_parts(
    masks: Bool[Tensor, "M y x"],
) -> tuple[Int[np.ndarray, "M y x"], Int[np.ndarray, " P"]]:
    """The number of the part that a place is in, 0 where in none; and the mask of each part.

    Numbers rise from mask to mask, and in a mask with each part's first place, row by row.
    """
    from scipy.ndimage import label  # scipy takes most of a second to import

    # One tall picture, an empty row below each mask, since every call has its cost.
    numbers, count = label(functional.pad(masks, (0, 0, 0, 1)).flatten(0, 1).cpu().numpy())
    numbers = numbers.reshape(len(masks), -1, masks.shape[2])[:, :-1]
    last = np.maximum.accumulate(numbers.max(axis=(1, 2)))
    return numbers, np.searchsorted(last, np.arange(1, count + 1))


def bounding_boxes(parts: Bool[Tensor, "B W y x"]) -> Float[Tensor, "B W 4"]:
    """The least box around each part, shares of the frame; 0 around none."""
    sides = []
    flags = parts.to(torch.uint8)  # whose largest is found faster than the any() of booleans
    for filled in (flags.amax(dim=2), flags.amax(dim=3)):
        cells = filled.shape[-1]
        first = filled.argmax(dim=-1)
        last = cells - filled.flip(-1).argmax(dim=-1)
        some = filled.amax(dim=-1)
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
    wide, high = (ends - starts).clamp(min=0.0).unbind(dim=-1)
    shared = wide * high
    areas = [_area(each) for each in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-12)


def _area(boxes: Float[Tensor, "*N 4"]) -> Float[Tensor, "*N"]:
    left, top, right, bottom = boxes.unbind(dim=-1)
    return (right - left) * (bottom - top)
