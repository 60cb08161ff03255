"""Small stacks as training might leave them, and what they look at."""

import numpy as np
import torch
from jaxtyping import Float16, Float32
from torch import Tensor
from torch.nn import functional

from spectrum.encoders.protocol import EncodedImages
from spectrum.stack.config import StackConfig
from spectrum.stack.material import CaptionedImages, view_of
from spectrum.stack.stack import Grids, Stack
from spectrum.stack.weight_file import TrainedStack

SEMANTIC, VISUAL, TOKENS, NEIGHBOURS = 7, 5, 11, 3


def small_config(*, visual: int = VISUAL, neighbours: int = NEIGHBOURS) -> StackConfig:
    return StackConfig(
        semantic_width=SEMANTIC,
        visual_width=visual,
        token_width=TOKENS,
        neighbours=neighbours,
        hidden=13,
        visual_weight=0.9 if visual else 0.0,
    )


def fresh_stack(config: StackConfig | None = None, *, seed: int = 0) -> Stack:
    torch.manual_seed(seed)
    return Stack(config or small_config())


def random_stack(config: StackConfig | None = None, *, seed: int = 0) -> Stack:
    """Every parameter has moved away from where it starts; in evaluation."""
    stack = fresh_stack(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in stack.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return stack.eval()


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unit(*shape: int, seed: int) -> Tensor:
    return functional.normalize(normal(*shape, seed=seed), dim=-1)


def vectors(count: int, *, visual: int = VISUAL, seed: int = 1) -> Tensor:
    """[semantic; visual], each of unit length."""
    blocks = [unit(count, SEMANTIC, seed=seed)]
    if visual:
        blocks.append(unit(count, visual, seed=seed + 1))
    return torch.cat(blocks, dim=-1)


def grids(count: int, *, side: int = 5, seed: int = 3) -> Grids:
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, 2, generator=generator) * 0.5
    boxes = torch.cat([corners[..., :2], corners[..., :2] + 0.3], dim=-1)
    mask = torch.ones(count, 2, dtype=torch.bool)
    mask[::2, 1] = False
    return Grids(normal(count, side, side, TOKENS, seed=seed).relu(), boxes, mask)


def neighbourhoods(
    count: int, *, visual: int = VISUAL, neighbours: int = NEIGHBOURS, seed: int = 5
) -> tuple[Tensor, Tensor]:
    """Members' vectors and prompts."""
    members = 1 + neighbours
    local = vectors(count * members, visual=visual, seed=seed).unflatten(0, (count, members))
    return local, unit(count, members, SEMANTIC, seed=seed + 2)


def all_real(count: int, members: int = 1 + NEIGHBOURS) -> Tensor:
    return torch.ones(count, members, dtype=torch.bool)


def encoded(count: int, *, visual: int = VISUAL, seed: int = 1) -> EncodedImages:
    """What an encoder says of images."""
    both = vectors(count, visual=visual, seed=seed).numpy()
    tokens: Float16[np.ndarray, "B Y X C"] = (
        normal(count, 5, 5, TOKENS, seed=seed + 3).relu().numpy().astype(np.float16)
    )
    return EncodedImages(both[:, :SEMANTIC], both[:, SEMANTIC:], tokens)


def trained(config: StackConfig | None = None, *, texts: int = 17, seed: int = 0) -> TrainedStack:
    return TrainedStack(
        random_stack(config, seed=seed), unit(texts, SEMANTIC, seed=9), "of an encoder", "0" * 32
    )


def captioned(count: int, *, visual: int = VISUAL, seed: int = 1) -> CaptionedImages:
    """Images whose grids and captions come from one hidden vector: there is something to learn."""
    hidden = unit(count, SEMANTIC, seed=seed)

    def seen(width: int, noise: float, place: int) -> Tensor:
        mixed = hidden @ normal(SEMANTIC, width, seed=100 + place)
        return mixed + noise * normal(count, width, seed=seed + place)

    semantic = functional.normalize(hidden + 0.4 * normal(count, SEMANTIC, seed=seed + 1), dim=-1)
    blocks = [semantic]
    if visual:
        blocks.append(functional.normalize(seen(visual, 0.1, 2), dim=-1))
    tokens = seen(TOKENS, 0.1, 3)[:, None, None] + 0.3 * normal(count, 4, 4, TOKENS, seed=seed + 4)
    captions = hidden[:, None] + 0.2 * normal(count, 2, SEMANTIC, seed=seed + 5)
    features: Float32[np.ndarray, "N D"] = torch.cat(blocks, dim=-1).numpy()
    view = view_of(features, tokens.relu().numpy().astype(np.float16))
    return CaptionedImages(views=(view,), captions=functional.normalize(captions, dim=-1).numpy())
