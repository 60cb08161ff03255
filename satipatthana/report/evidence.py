"""What a report shows, as numbers: scores by path, projected trajectories, answers, settings."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from satipatthana.arguments import require_choice, require_length
from satipatthana.configs import ScoreWeights
from satipatthana.configs.curriculum import Path
from satipatthana.curriculum.mixer import ExtraFeatures, mixed_batch
from satipatthana.outputs import SCORES
from satipatthana.shapes import Bool, Float, Shaped
from satipatthana.system import SatipatthanaSystem
from satipatthana.vipassana.monotone import share_higher

MOST_SCORED = 500
"""Samples a path that are scored for the histograms."""
MOST_DRAWN = 150
"""Trajectories that are drawn of the known, and of void."""
KEPT_SHARES = (1.0, 0.9, 0.75, 0.5)
"""Shares of the samples, the most trusted first, whose answers are measured."""
SEED = 0
"""Of what a report draws by chance, so that it is the same each time."""

PathScores = dict[str, dict[Path, Float[Tensor, " _"]]]
"""Score -> path -> the score of each sample."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projection:
    """Trajectories and probes in the plane in which they differ most."""

    known: Float[Tensor, "T N 2"]
    void: Float[Tensor, "U V 2"] | None
    probes: Float[Tensor, "K 2"]
    explained: tuple[float, float]
    """Share of the variance that each axis holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Findings:
    """What the system says of the samples that it is shown."""

    projection: Projection
    scores: PathScores
    answers: list[tuple[float, float]]
    """Share kept and how good its answers are; empty without the right ones."""


def some(
    samples: Shaped[Tensor, "N ..."], count: int, device: torch.device
) -> Shaped[Tensor, "M ..."]:
    """At most `count` of the samples, spread evenly over them."""
    rows = torch.linspace(0, len(samples) - 1, min(count, len(samples))).long()
    return samples[rows.to(samples.device)].to(device)


def path_scores(
    system: SatipatthanaSystem,
    x: Shaped[Tensor, "N ..."],
    void: Shaped[Tensor, "V ..."] | None,
    extra: ExtraFeatures | None,
    noise_level: float,
) -> PathScores:
    """The three scores of the same samples on each path of stage 2, and of voids."""
    known = some(x, MOST_SCORED, system.device)
    samples: dict[Path, Tensor] = {"clean": known, "augmented": known, "drunk": known}
    if len(known) > 1:
        samples["mismatch"] = known
    if void is not None:
        samples["void"] = some(void, MOST_SCORED, system.device)
    generator = torch.Generator(device=system.device).manual_seed(SEED)
    with system.scoring():
        batch = mixed_batch(system, samples, noise_level, ScoreWeights(), generator, extra)
        judged = system.judge(batch.s_star, batch.santana, batch.x, batch.extra)
    scores = (judged.trust_score, judged.conformity_score, judged.confidence_score)
    return {
        name: {path: score[path_mask(batch.paths, path), 0].cpu() for path in samples}
        for name, score in zip(SCORES, scores, strict=True)
    }


def path_mask(paths: tuple[Path, ...], wanted: Path) -> Bool[Tensor, " B"]:
    """True where a sample took this path."""
    return torch.tensor([path == wanted for path in paths])


def projection(
    system: SatipatthanaSystem, x: Shaped[Tensor, "N ..."], void: Shaped[Tensor, "V ..."] | None
) -> Projection:
    """The ways of some samples from S_0 to S*, in the plane."""

    def ways(samples: Shaped[Tensor, "M ..."]) -> Float[Tensor, "T N D"]:
        chosen = some(samples, MOST_DRAWN, system.device)
        _, santana, _ = system.samatha(chosen, run_augmenter=False)
        states: Tensor = santana.to_tensor()
        return states

    with system.scoring():
        return projected(
            ways(x), None if void is None else ways(void), system.samatha.vitakka.probes
        )


def projected(
    known: Float[Tensor, "T N D"],
    void: Float[Tensor, "U V D"] | None,
    probes: Float[Tensor, "K D"],
) -> Projection:
    """The plane of the first two principal components of all that is drawn in it."""
    parts = [states.flatten(0, -2) for states in (known, void, probes) if states is not None]
    points = torch.cat(parts).detach().double().cpu()
    centre = points.mean(dim=0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        _, singular, axes = torch.pca_lowrank(points, q=min(6, *points.shape))
    variance = (points - centre).square().sum().clamp(min=torch.finfo(points.dtype).tiny)
    first, second = (singular[:2].square() / variance).tolist()

    def place(states: Tensor) -> Tensor:
        placed: Tensor = (states.detach().double().cpu() - centre) @ axes[:, :2]
        return placed.float()

    return Projection(
        known=place(known),
        void=None if void is None else place(void),
        probes=place(probes),
        explained=(first, second),
    )


def kept_answers(
    system: SatipatthanaSystem,
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "M ..."],
    extra: ExtraFeatures | None,
) -> list[tuple[float, float]]:
    """How good the answers to the most trusted samples are, for several shares that are kept.

    Pairs of the share and the share of right classes, or the mean squared error of numbers.
    ValueError where `y` is not as long as `x`, or the task has no right answers.
    """
    require_choice("task", system.config.task, ("classification", "regression"))
    require_length("y", y, len(x))
    rows = some(torch.arange(len(x)), MOST_SCORED, torch.device("cpu"))
    chosen = x[rows.to(x.device)].to(system.device)
    with system.scoring():
        said = system(chosen, extra=None if extra is None else extra(chosen))
    wanted = y[rows.to(y.device)].to(system.device)
    if system.config.task == "classification":
        goodness = (said.output.argmax(dim=1) == wanted).double()
    else:
        goodness = (said.output - wanted.reshape(said.output.shape)).square().mean(dim=1)
    ordered = goodness[said.trust_score[:, 0].argsort(descending=True)]
    counts = {share: max(1, round(share * len(ordered))) for share in KEPT_SHARES}
    return [(share, float(ordered[:count].mean())) for share, count in counts.items()]


def auroc(higher: Float[Tensor, " N"], lower: Float[Tensor, " V"]) -> float:
    """How often a score of the first exceeds one of the second; ties count one half."""
    return float(share_higher(lower.double(), higher.double()))


def settings_rows(config: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each setting of a dataclass with its value; parts of parts are joined with dots."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = prefix + field.name
        if dataclasses.is_dataclass(value):
            yield from settings_rows(value, f"{name}.")
        elif isinstance(value, tuple):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, str(value)
