"""What a training is given, checked, and divided among the stages."""

import dataclasses

import torch
from torch import Tensor

from satipatthana.arguments import require_at_least, require_batch, require_length
from satipatthana.configs.curriculum import CurriculumConfig
from satipatthana.curriculum.mixer import ExtraFeatures
from satipatthana.samatha.draws import randperm
from satipatthana.shapes import Int, Shaped
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import (
    FeatureShuffleVoid,
    FilteredNoiseVoid,
    MixedVoid,
    VoidDataset,
)

FEWEST = 2
"""Samples that each share of the material has at least."""
NEIGHBOURS = 10
"""The k of the noise that stands in where no voids are given."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Material:
    """Samples on the system's device, and which stage may see which."""

    x: Shaped[Tensor, "N ..."]
    y: Shaped[Tensor, "N ..."] | None
    learning: Int[Tensor, " n1"]
    """Rows that stages 0 and 1 learn from."""
    insight: Int[Tensor, " n2"]
    """Rows that stage 2 learns from."""
    held_out: Int[Tensor, " n3"]
    """Rows that only measure."""
    void: VoidDataset | None
    held_out_void: VoidDataset | None
    extra: ExtraFeatures | None

    @property
    def decoding(self) -> Int[Tensor, " n4"]:
        """Rows that stage 3 learns from: all but those held out."""
        if self.insight is self.learning:
            return self.learning
        return torch.cat([self.learning, self.insight])


def gathered(
    system: SatipatthanaSystem,
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "N ..."] | None,
    void: VoidDataset | Shaped[Tensor, "N2 ..."] | None,
    extra: ExtraFeatures | None,
    config: CurriculumConfig,
    generator: torch.Generator,
) -> Material:
    """The material of a training. ValueError, naming the argument, where it can't be trained on."""
    require_batch("x", x, system.config.samatha.adapter.input_shape)
    x = x.to(system.device)
    order = randperm(len(x), generator).to(x.device)
    num_held_out = max(FEWEST, round(config.held_out * len(x)))
    num_insight = max(FEWEST, round(config.insight_share * len(x))) if config.insight_share else 0
    require_at_least("samples in x", len(x), num_held_out + num_insight + FEWEST)
    held_out, insight, learning = order.tensor_split([num_held_out, num_held_out + num_insight])
    names = system.config.vipassana.vipassana.extra_features
    if bool(names) != (extra is not None):
        raise ValueError(
            f"extra: expected {'a function that gives ' + ', '.join(names) if names else 'None'},"
            f" got {'None' if extra is None else 'a function'}"
        )
    voids = None
    if config.path_mix.void > 0 and config.vipassana.max_epochs > 0:
        voids = given_voids(system, void, x[learning], generator)
    num_void = 0 if voids is None else max(1, round(config.held_out * len(voids)))
    return Material(
        x=x,
        y=None if y is None else labels(system, y, len(x)).to(x.device),
        learning=learning,
        insight=insight if num_insight else learning,
        held_out=held_out,
        void=voids and VoidDataset(voids.samples[num_void:]),
        held_out_void=voids and VoidDataset(voids.samples[:num_void]),
        extra=extra,
    )


def given_voids(
    system: SatipatthanaSystem,
    void: VoidDataset | Tensor | None,
    known: Shaped[Tensor, "N ..."],
    generator: torch.Generator,
) -> VoidDataset:
    """The voids in random order; where none are given, what can be made of the known alone."""
    if void is None:
        void = stand_in_void(known, generator)
    samples = void if isinstance(void, Tensor) else void.samples
    require_batch("void", samples, system.config.samatha.adapter.input_shape)
    require_at_least("samples in void", len(samples), FEWEST)
    order = randperm(len(samples), generator)
    return VoidDataset(samples[order.to(samples.device)].to(known.device))


def stand_in_void(known: Shaped[Tensor, "N ..."], generator: torch.Generator) -> VoidDataset:
    """As many voids as known samples: shuffled features and, of numbers, noise around them."""
    shuffled = FeatureShuffleVoid(known, len(known), generator)
    if not known.is_floating_point() or len(known) <= NEIGHBOURS:
        return shuffled
    noise = FilteredNoiseVoid(known, len(known), k=NEIGHBOURS, generator=generator)
    return MixedVoid([shuffled, noise], count=len(known), generator=generator)


def labels(system: SatipatthanaSystem, y: Tensor, count: int) -> Shaped[Tensor, "N ..."]:
    """What the task is taught by: class numbers (N), or numbers (N Y).

    ValueError for another number of labels, classes out of range, another width, or NaN.
    """
    require_length("y", y, count)
    width = system.output_dim
    if system.config.task == "classification":
        if y.dim() != 1 or y.is_floating_point() or y.is_complex():
            raise ValueError(
                f"y: expected class numbers of the shape ({count},),"
                f" got {y.dtype} of the shape {tuple(y.shape)}"
            )
        if int(y.min()) < 0 or int(y.max()) >= width:
            raise ValueError(
                f"y: expected classes 0 to {width - 1}, got {int(y.min())} to {int(y.max())}"
            )
    if system.config.task == "regression":
        y = y[:, None] if y.dim() == 1 else y
        require_batch("y", y, (width,))
    return y
