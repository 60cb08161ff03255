"""How well captions find images that were never learned from, before refinement and after."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from spectrum.encoders import EncodedImages
from spectrum.stack.config import LAYERS, TASKS
from spectrum.stack.hubness import hubness, nearest_count
from spectrum.stack.lexicon import text_questions
from spectrum.stack.material import View
from spectrum.stack.neighbourhoods import gathered, member_mask, nearest
from spectrum.stack.protocol import Refined
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.weight_file import TrainedStack
from spectrum.students.figures import interval

CUTOFFS = (1, 5, 10)
AT_ONCE = 64


def ranks(
    similarities: Float[np.ndarray, "M N"], owners: Int[np.ndarray, " M"]
) -> Int[np.ndarray, " M"]:
    """The 1-based rank of each caption's own image; of equals the lower row comes first."""
    own = np.take_along_axis(similarities, owners[:, None], axis=1)
    earlier = np.arange(similarities.shape[1]) < owners[:, None]
    before = (similarities > own) | ((similarities == own) & earlier)
    found: Int[np.ndarray, " M"] = 1 + before.sum(axis=1)
    return found


def values(
    ranked: Int[np.ndarray, " M"], owners: Int[np.ndarray, " M"], count: int
) -> dict[str, Float[np.ndarray, " N"]]:
    """hit@1, 5, 10 and MRR in per cent, of each image: the mean over its captions.

    Captions of an image succeed and fail together, so that an interval is over images.
    """
    each = {f"hit@{cutoff}": (ranked <= cutoff).astype(np.float64) for cutoff in CUTOFFS}
    each["MRR"] = 1.0 / ranked
    captions = np.bincount(owners, minlength=count)
    return {
        name: 100.0 * np.bincount(owners, weights=own, minlength=count) / captions
        for name, own in each.items()
    }


def measured(
    trained: TrainedStack,
    view: View,
    texts: Float32[np.ndarray, "M S"],
    said: Sequence[str],
    owners: Int[np.ndarray, " M"],
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """Figures of images as a library of their own; row `owners[m]` is the image of caption m.

    `texts` are the captions' vectors, `said` the captions.

    Three ways in the same run: the encoder's own vectors, those less their hubness, and refined
    ones. Every image needs a caption. `advance` is told of images that are done.
    """
    width = trained.stack.config.semantic_width
    refined, weights = _refined(trained, view, advance)
    raw = view.features[:, :width]
    hubs = hubness(torch.from_numpy(raw), trained.texts, nearest_count(len(trained.texts)))
    asked = text_questions(trained.lexicon, said, texts, refined.vectors.shape[1])
    similarities = {
        "encoder": texts @ raw.T,
        "hubness": texts @ raw.T - hubs.numpy(),
        "spectrum": asked @ refined.rows().T,
    }
    found = {
        name: values(ranks(made, owners), owners, len(view)) for name, made in similarities.items()
    }
    rows = {
        name: {metric: interval(own) for metric, own in each.items()}
        for name, each in found.items()
    }
    for other in ("encoder", "hubness"):
        rows[f"spectrum_minus_{other}"] = {
            metric: interval(own - found[other][metric])
            for metric, own in found["spectrum"].items()
        }
    return {"images": len(view), "captions": len(texts), "rows": rows, "layer_weights": weights}


def _refined(
    trained: TrainedStack, view: View, advance: Callable[[int], None]
) -> tuple[Refined, dict[str, dict[str, float]]]:
    """Refined vectors, the images being each other's bank, and the mean of what layers weigh."""
    refiner, stack = StackRefiner(trained), trained.stack
    width = stack.config.semantic_width
    seen = []
    for start in range(0, len(view), AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        features = np.ascontiguousarray(view.features[rows])
        tokens = view.tokens[rows].astype(np.float32)
        seen.append(
            refiner.evidence(EncodedImages(features[:, :width], features[:, width:], tokens))
        )
        advance(len(features))
    local = torch.from_numpy(np.concatenate([each.local for each in seen]))
    prompts = torch.from_numpy(np.concatenate([each.prompts for each in seen]))
    likeness = torch.from_numpy(refiner.likeness(local.numpy()))
    found = nearest(likeness, likeness, stack.config.neighbours, torch.arange(len(local)))
    refined = refiner.refine(
        gathered(local, local, found).numpy(),
        gathered(prompts, prompts, found).numpy(),
        member_mask(found).numpy(),
    )
    with torch.no_grad():
        weights: Tensor = stack.task_weights(local).mean(dim=1)
    said = {
        task: dict(zip(LAYERS, row.tolist(), strict=True))
        for task, row in zip(TASKS, weights, strict=True)
    }
    return refined, said
