"""Stage 2's batches: what has gone well, and four ways of going wrong."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from satipatthana.arguments import require_at_least
from satipatthana.configs.curriculum import PATHS, Path, PathMix, ScoreWeights
from satipatthana.outputs import SantanaLog
from satipatthana.samatha.augmenters import undisturbed
from satipatthana.samatha.draws import randperm
from satipatthana.shapes import Float, Int, Shaped
from satipatthana.system import SatipatthanaSystem
from satipatthana.vipassana.scores import score_targets

ExtraFeatures = Callable[[Tensor], Tensor]
"""The extra static features of any batch, (B ...) -> (B E): voids and disturbed samples have them
as known samples have."""


class StageTwoBatch(NamedTuple):
    """Samples on their five paths, one path after the other, ready to be judged."""

    x: Shaped[Tensor, "B ..."]
    """What the system saw: disturbed where the path disturbs it."""
    s_star: Float[Tensor, "B D"]
    santana: SantanaLog
    targets: Float[Tensor, "B 1"]
    """1; 1 - severity; 0; 0; 0."""
    weights: Float[Tensor, "B 3"]
    """Of each sample in the losses of trust, conformity and confidence."""
    paths: tuple[Path, ...]
    """Which path each sample took."""
    extra: Float[Tensor, "B E"] | None


def path_counts(mix: PathMix, batch_size: int) -> dict[Path, int]:
    """How many of a batch take each path: the shares, rounded so that their sum is `batch_size`.

    A path with a share gets one sample at least, the mismatched two, since one alone has nothing to
    be confused with. ValueError where the batch is too small for that.
    """
    shares = mix.shares()
    least = {path: (2 if path == "mismatch" else 1) if shares[path] > 0 else 0 for path in PATHS}
    require_at_least("batch_size", batch_size, sum(least.values()))
    counts = {path: max(least[path], int(shares[path] * batch_size)) for path in PATHS}
    while sum(counts.values()) != batch_size:
        short = sum(counts.values()) < batch_size
        lacks = {path: shares[path] * batch_size - counts[path] for path in PATHS if shares[path]}
        if short:
            counts[max(lacks, key=lambda path: lacks[path])] += 1
        else:
            spare = [path for path in lacks if counts[path] > least[path]]
            counts[min(spare, key=lambda path: lacks[path])] -= 1
    return counts


def derangement(count: int, generator: torch.Generator | None = None) -> Int[Tensor, " B"]:
    """A random permutation that leaves nothing in its place: one cycle through everything.

    Each such cycle is as likely as any other (as by Sattolo's algorithm). ValueError below 2.
    """
    require_at_least("mismatched samples", count, 2)
    order = randperm(count, generator)
    permutation = torch.empty_like(order)
    permutation[order] = order.roll(1)
    return permutation


def joined(logs: Sequence[SantanaLog]) -> SantanaLog:
    """The logs of several batches as the log of one.

    Shorter trajectories repeat their last state, as stopped samples do. ValueError for no log.
    """
    require_at_least("logs", len(logs), 1)
    trajectories = [log.to_tensor() for log in logs]
    length = max(map(len, trajectories))
    padded = [
        torch.cat([states, states[-1:].expand(length - len(states), -1, -1)])
        for states in trajectories
    ]
    names = logs[0].metadata
    log = SantanaLog({name: torch.cat([one.metadata[name] for one in logs]) for name in names})
    for state in torch.cat(padded, dim=1):
        log.add(state)
    log.convergence_steps = torch.cat([one.convergence_steps for one in logs])
    log.max_steps = max(one.max_steps for one in logs)
    return log


def path_weights(weights: ScoreWeights, path: Path) -> tuple[float, float, float]:
    """What a path weighs in the losses of trust, conformity and confidence."""
    return (
        getattr(weights.trust, path),
        getattr(weights.conformity, path),
        getattr(weights.confidence, path),
    )


@torch.no_grad()
def mixed_batch(
    system: SatipatthanaSystem,
    samples: Mapping[Path, Shaped[Tensor, "B ..."]],
    noise_level: float,
    score_weights: ScoreWeights,
    generator: torch.Generator | None = None,
    extra: ExtraFeatures | None = None,
) -> StageTwoBatch:
    """The samples of each path after Samatha, with their targets; section 8.4.

    Clean ones settle as they are; augmented ones are disturbed first; drunk ones settle in a
    disturbed engine; of mismatched ones, each S* is put beside another's log; voids settle as they
    are, and are unknown. A path without samples is left out.
    """
    settling = {path: samples[path] for path in PATHS if path in samples and len(samples[path])}
    severities = {path: undisturbed(x) for path, x in settling.items()}
    if "augmented" in settling:
        settling["augmented"], severities["augmented"] = system.samatha.augmenter(
            settling["augmented"], noise_level, generator
        )
    # Whatever settles soberly settles together.
    order = sorted(settling, key=lambda path: path == "drunk")
    states, logs = [], []
    for drunk_mode in (False, True):
        inputs = [settling[path] for path in order if (path == "drunk") is drunk_mode]
        if inputs:
            s_star, santana, _ = system.samatha(
                torch.cat(inputs), run_augmenter=False, drunk_mode=drunk_mode, generator=generator
            )
            states.append(s_star)
            logs.append(santana)
    paths = tuple(path for path in order for _ in range(len(settling[path])))
    x, s_star = torch.cat([settling[path] for path in order]), torch.cat(states)
    weights = [path_weights(score_weights, path) for path in paths]
    return StageTwoBatch(
        x=x,
        s_star=s_star[mismatched_rows(paths, generator).to(s_star.device)],
        santana=joined(logs),
        targets=torch.cat([score_targets(path, severities[path]) for path in order]).to(s_star),
        weights=torch.tensor(weights, dtype=s_star.dtype, device=s_star.device),
        paths=paths,
        extra=None if extra is None else extra(x),
    )


def mismatched_rows(
    paths: Sequence[Path], generator: torch.Generator | None = None
) -> Int[Tensor, " B"]:
    """Which sample's S* each one gets: its own, but on the mismatch path always another's there."""
    rows = torch.arange(len(paths))
    mismatch = torch.tensor([path == "mismatch" for path in paths])
    if bool(mismatch.any()):
        own = rows[mismatch]
        rows[mismatch] = own[derangement(len(own), generator).cpu()]
    return rows
