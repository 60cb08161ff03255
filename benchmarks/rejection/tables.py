"""Figures of the rejection benchmarks as Markdown, and the win rule."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from retrieval.evaluation.rejection import auroc
from retrieval.rejection.contest import Contestant
from retrieval.rejection.registry import PLAIN

RESAMPLES = 500
FRAMEWORK, FUSION = "satipatthana", "logistic-fusion"


def rate_line(one: Contestant) -> str:
    """The measured false-reject rate beside its binomial interval around 5 %."""
    n = len(one.known)
    half = 1.96 * np.sqrt(0.05 * 0.95 / n)
    inside = abs(one.false_rejects - 0.05) <= half
    return (
        f"{one.detector}: false rejects {100 * one.false_rejects:.2f} % of {n:,};"
        f" interval {100 * (0.05 - half):.2f} to {100 * (0.05 + half):.2f}:"
        f" {'inside' if inside else 'outside'}"
    )


def separation_table(found: Sequence[Contestant]) -> str:
    """A row for each detector, a column for each unknown set: AUROC / FPR@95TPR / accepted."""
    columns = [each.unknown for each in found[0].separations]
    lines = [["detector", "known refused", *columns], ["---"] * (2 + len(columns))]
    for one in found:
        cells = [
            f"{each.auroc:.3f} / {100 * each.fpr_at_95_tpr:.0f} / {100 * each.accepted:.1f}"
            for each in one.separations
        ]
        lines.append([one.detector, f"{100 * one.false_rejects:.1f} %", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def gain(
    mine: Contestant, other: Contestant, name: str, seed: int = 0
) -> tuple[float, float, float]:
    """AUROC points beyond another detector on one set, with the paired bootstrap's interval."""
    rng = np.random.default_rng(seed)
    known = np.stack([mine.known, other.known])
    unknown = np.stack([mine.unknown[name], other.unknown[name]])

    def difference(k: Float64[np.ndarray, "2 K"], u: Float64[np.ndarray, "2 U"]) -> float:
        return 100.0 * (auroc(k[0], u[0]) - auroc(k[1], u[1]))

    drawn = [
        difference(
            known[:, rng.integers(known.shape[1], size=known.shape[1])],
            unknown[:, rng.integers(unknown.shape[1], size=unknown.shape[1])],
        )
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return difference(known, unknown), float(low), float(high)


def verdict(found: Sequence[Contestant], near: Sequence[str], default: str) -> str:
    """The win rule: near AUROC +1.0 over the best single score and +0.5 over the fusion, on three
    of four pairs, intervals above zero; for Satipatthana, and for the default."""
    by_name = {one.detector: one for one in found}
    singles = [one for one in found if one.detector not in (*PLAIN, FRAMEWORK)]
    if FUSION not in by_name or not singles:
        return "no verdict: the fusion or the single scores were not asked"
    lines = ["", "Win rule (points of AUROC, 95 % interval):"]
    for name in dict.fromkeys((FRAMEWORK, default)):
        if name not in by_name:
            continue
        wins = 0
        for column in near:
            best = max(singles, key=lambda one: auroc(one.known, one.unknown[column]))
            over_best = gain(by_name[name], best, column)
            over_fusion = gain(by_name[name], by_name[FUSION], column)
            won = over_best[0] >= 1.0 and over_fusion[0] >= 0.5
            won = won and over_best[1] > 0 and over_fusion[1] > 0
            wins += won
            lines.append(
                f"- {name}, {column}: {over_best[0]:+.1f} [{over_best[1]:+.1f},"
                f" {over_best[2]:+.1f}] over {best.detector}, {over_fusion[0]:+.1f}"
                f" [{over_fusion[1]:+.1f}, {over_fusion[2]:+.1f}] over the fusion:"
                f" {'won' if won else 'not won'}"
            )
        needed = int(np.ceil(0.75 * len(near)))
        lines.append(
            f"- **{name}: {'wins' if wins >= needed else 'does not win'}**"
            f" ({wins} of {len(near)}, {needed} needed)"
        )
    return "\n".join(lines)
