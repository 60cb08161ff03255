"""What becomes of 60 steps: the bare form Phi(S) against the grounded Phi(S; z).

    python -m benchmarks.trust.collapse docs/pictures/collapse.svg

Both forms are trained alike through stages 0 and 1 on clusters made here, and then run on for six
times the steps they were trained with. Drawn are the mean and the range over the seeds.
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import machine_line
from satipatthana.configs import (
    CurriculumConfig,
    MlpAdapterConfig,
    SamathaConfig,
    StageConfig,
    StandardVicaraConfig,
    SystemConfig,
    VitakkaConfig,
)
from satipatthana.curriculum.trainer import fit
from satipatthana.shapes import Float
from satipatthana.system import SatipatthanaSystem

SEEDS = range(5)
STEPS = 60
NEIGHBOURS = 10
SAMPLES, CLUSTERS, INPUT_DIM, LATENT_DIM = 500, 10, 32, 64
COLOURS = {"grounded": "#2166ac", "bare": "#d6604d"}
LABELS = {"grounded": "grounded, Φ(S; z)", "bare": "bare, Φ(S)"}
SHOWN_STEPS = (0, 5, 10, 20, 30, 60)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """What is left after each step, S_0 first."""

    overlap: Float[Tensor, " T"]
    """Share of the nearest neighbours of z that are still those of S_t."""
    spread: Float[Tensor, " T"]
    """Root mean square distance of the states from their mean, relative to that of S_0."""


def clusters(generator: torch.Generator) -> Float[Tensor, "N F"]:
    """Samples of Gaussian clusters with features near variance 1."""
    centres = torch.randn(CLUSTERS, INPUT_DIM, generator=generator)
    chosen = torch.randint(CLUSTERS, (SAMPLES,), generator=generator)
    noise = torch.randn(SAMPLES, INPUT_DIM, generator=generator)
    return 0.9 * centres[chosen] + 0.4 * noise


def trained(grounded: bool, x: Float[Tensor, "N F"], seed: int) -> SatipatthanaSystem:
    """A system after stages 0 and 1."""
    torch.manual_seed(seed)
    config = SystemConfig(
        samatha=SamathaConfig(
            adapter=MlpAdapterConfig(
                input_dim=INPUT_DIM, latent_dim=LATENT_DIM, hidden_dims=(128,)
            ),
            vitakka=VitakkaConfig(num_probes=CLUSTERS),
            vicara=StandardVicaraConfig(latent_dim=LATENT_DIM, grounded=grounded),
        ),
        task="none",
    )
    system = SatipatthanaSystem(config)
    none = StageConfig(max_epochs=0)
    curriculum = CurriculumConfig(
        adapter=StageConfig(max_epochs=10),
        samatha=StageConfig(max_epochs=20, goal=None),
        vipassana=none,
        decoder=none,
        seed=seed,
    )
    fit(system, x, config=curriculum)
    return system


def neighbours(points: Float[Tensor, "N D"]) -> Tensor:
    """The numbers of each point's nearest others (N NEIGHBOURS)."""
    centred = points - points.mean(dim=0)
    distances = torch.cdist(centred, centred)
    return distances.fill_diagonal_(float("inf")).topk(NEIGHBOURS, largest=False).indices


def overlap(first: Tensor, second: Tensor) -> float:
    """Mean share of neighbours that two lists (N NEIGHBOURS) have in common."""
    shared = (first[:, :, None] == second[:, None, :]).any(dim=2)
    return float(shared.double().mean())


def spread(points: Float[Tensor, "N D"]) -> float:
    """Root mean square distance from the mean."""
    return float((points - points.mean(dim=0)).square().sum(dim=1).mean().sqrt())


@torch.no_grad()
def course(system: SatipatthanaSystem, x: Float[Tensor, "N F"]) -> Course:
    """Overlap and spread at each of the steps, in double precision."""
    samatha = system.samatha.double()
    z = samatha.adapter(x.double())
    state, context = samatha.vitakka(z)
    states = [state]
    for _ in range(STEPS):
        states.append(samatha.vicara(states[-1], context=context))
    near = neighbours(z)
    return Course(
        overlap=torch.tensor([overlap(near, neighbours(state)) for state in states]),
        spread=torch.tensor([spread(state) / spread(states[0]) for state in states]),
    )


def measured() -> dict[str, list[Course]]:
    """The courses of both forms, one for each seed."""
    found: dict[str, list[Course]] = {form: [] for form in LABELS}
    for seed in SEEDS:
        x = clusters(torch.Generator().manual_seed(seed))
        for form, courses in found.items():
            courses.append(course(trained(form == "grounded", x, seed), x))
    return found


def draw(found: dict[str, list[Course]], path: Path) -> None:
    """Writes the picture, the same bytes for the same figures."""
    import matplotlib
    from matplotlib.figure import Figure

    settings: Any = {
        "svg.hashsalt": "collapse",
        "svg.fonttype": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.family": "sans-serif",
        "legend.frameon": False,
    }
    titles = {
        "overlap": f"shared of the {NEIGHBOURS} nearest neighbours, z and $S_t$",
        "spread": "spread of $S_t$, relative to $S_0$",
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        for axes, (kind, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
            for form, courses in found.items():
                lines = torch.stack([getattr(one, kind) for one in courses])
                steps = list(range(STEPS + 1))
                low, high = lines.amin(dim=0).tolist(), lines.amax(dim=0).tolist()
                axes.fill_between(steps, low, high, color=COLOURS[form], alpha=0.2, linewidth=0)
                mean = lines.mean(dim=0).tolist()
                axes.plot(steps, mean, color=COLOURS[form], label=LABELS[form])
            axes.set_title(title, fontsize=10)
            axes.set_xlabel("step t")
        left, right = figure.axes
        left.set_ylim(0, 1.02)
        left.axhline(NEIGHBOURS / (SAMPLES - 1), color="#777777", linestyle=":", linewidth=1)
        left.annotate(
            "chance",
            (STEPS, NEIGHBOURS / SAMPLES),
            (0, 3),
            ha="right",
            fontsize=9,
            textcoords="offset points",
            color="#777777",
        )
        right.set_yscale("log")
        left.legend()
        figure.savefig(path, metadata={"Date": None})


def table(found: dict[str, list[Course]]) -> str:
    """Mean over the seeds at some steps, as Markdown."""
    lines = [
        "| form | kept | " + " | ".join(f"t = {step}" for step in SHOWN_STEPS) + " |",
        "| --- " * (len(SHOWN_STEPS) + 2) + "|",
    ]
    for form, courses in found.items():
        for kind in ("overlap", "spread"):
            mean = torch.stack([getattr(one, kind) for one in courses]).mean(dim=0)
            cells = " | ".join(f"{float(mean[step]):.3g}" for step in SHOWN_STEPS)
            lines.append(f"| {LABELS[form]} | {kind} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws what 60 steps leave of the input.")
    parser.add_argument("picture", type=Path, help="the SVG to write")
    picture = parser.parse_args().picture
    found = measured()
    draw(found, picture)
    print(f"{table(found)}\n\n{len(SEEDS)} seeds; {machine_line('torch', 'matplotlib')}")


if __name__ == "__main__":
    main()
