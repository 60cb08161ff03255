"""NEXUS against dense attention on grids of 7 to 56 squared: time, multiplications, growth.

python benchmarks/nexus_cost.py [--rounds 7] [--plot FILE.svg]

Processor time of one thread, so that other programs of the machine count little; rounds alternate
between the methods, the least of a method's times is its figure. All are given the same tokens.
"Windows" is the attention of NEXUS 3.1 and 3.2 on queries, keys and values that are given, as for
dense attention; "NEXUS, whole" adds its projections, scales, fusions and readout. The exponent is
the slope of log time over log tokens by least squares (scipy), with its standard error.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import machine_line
from scipy.stats import linregress
from torch.nn import functional

from spectrum.nexus.config import NexusConfig
from spectrum.nexus.module import Nexus
from spectrum.nexus.sparsity import sparse_attention, sparse_mask, sparsity_threshold
from spectrum.nexus.windows import band, cross_windows, window_attention

SIDES = (7, 14, 28, 56)
WIDTH = 256
"""Of a token: the embedded encoder's."""
TOKENS = 784
"""Tokens in a call, at least: small grids go several at once, as photographs do."""

Method = Callable[[torch.Tensor], torch.Tensor]


def dense(grid: torch.Tensor) -> torch.Tensor:
    """Every token looks at every token: softmax(Q K^T) V."""
    tokens = grid.flatten(1, 2)
    return (tokens @ tokens.mT / WIDTH**0.5).softmax(dim=-1) @ tokens


def fused(grid: torch.Tensor) -> torch.Tensor:
    """The same by torch's own kernel, which keeps no map."""
    tokens = grid.flatten(1, 2)[:, None]
    return functional.scaled_dot_product_attention(tokens, tokens, tokens)


def windows(nexus: Nexus) -> Method:
    """CW of one scale, sparse, in three directions."""

    def run(grid: torch.Tensor) -> torch.Tensor:
        attentions = []
        for places, network in zip(nexus.places, nexus.threshold_networks, strict=True):
            held = band(grid.new_full((len(grid),), nexus.config.width_start), places, None)
            attention = window_attention(grid, grid, places, held)
            mask = sparse_mask(attention, sparsity_threshold(attention, network))
            attentions.append(sparse_attention(attention, mask, renormalise=True))
        return cross_windows(attentions, grid, nexus.places)

    return run


def seconds(method: Method, grid: torch.Tensor) -> float:
    """Processor time of one image."""
    start = time.process_time()
    method(grid)
    return (time.process_time() - start) / len(grid)


def measured(rounds: int) -> dict[str, list[float]]:
    """The least time of each method, seconds an image, for each side."""
    torch.manual_seed(0)
    nexus = Nexus(NexusConfig(token_width=WIDTH, width=WIDTH)).eval()
    methods: dict[str, Method] = {
        "dense attention": dense,
        "dense, torch's kernel": fused,
        "windows": windows(nexus),
        "NEXUS, whole": lambda grid: nexus(grid, grid[:, 0, 0]),
    }
    found: dict[str, list[float]] = {name: [] for name in methods}
    for side in SIDES:
        grid = torch.randn(-(-TOKENS // side**2), side, side, WIDTH)
        times: dict[str, list[float]] = {name: [] for name in methods}
        for _ in range(rounds + 1):
            for name, method in methods.items():
                times[name].append(seconds(method, grid))
        for name, all_times in times.items():
            found[name].append(min(all_times[1:]))  # the first call makes ready
    return found


def multiplications(side: int) -> tuple[int, int]:
    """Of dense attention and of the windows, for products with keys and with values."""
    places = sum(map(len, Nexus(NexusConfig(token_width=WIDTH, width=WIDTH)).places))
    return 2 * side**4 * WIDTH, 2 * side**2 * places * WIDTH


def table(found: dict[str, list[float]]) -> str:
    """Markdown: milliseconds an image, and how they grow."""
    heads = [f"{side}² = {side * side} tokens" for side in SIDES]
    lines = [
        "| " + " | ".join(["ms an image", *heads, "exponent"]) + " |",
        "| --- |" + " --- |" * (len(SIDES) + 1),
    ]
    sizes = torch.tensor([side**2 for side in SIDES], dtype=torch.float64).log().tolist()
    for name, times in found.items():
        fit = linregress(sizes, torch.tensor(times, dtype=torch.float64).log().tolist())
        cells = [f"{1000 * each:.3g}" for each in times]
        lines.append(f"| {name} | {' | '.join(cells)} | {fit.slope:.2f} ± {fit.stderr:.2f} |")
    for place, name in enumerate(("dense attention", "windows")):
        counts = [f"{multiplications(side)[place] / 1e6:.3g}" for side in SIDES]
        lines.append(f"| million multiplications, {name} | {' | '.join(counts)} | {2 - place} |")
    return "\n".join(lines)


def plot(found: dict[str, list[float]], path: Path) -> None:
    """Time over tokens, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.0, 4.0))
    for name, times in found.items():
        axes.loglog([side**2 for side in SIDES], [1000 * each for each in times], "o-", label=name)
    axes.set_xlabel("tokens of the grid")
    axes.set_ylabel("processor time, ms an image")
    axes.set_xticks([side**2 for side in SIDES], [f"{side}²" for side in SIDES])
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description="What NEXUS costs beside dense attention.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--plot", type=Path, help="also draw the table as a picture, e.g. SVG")
    said = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(said.rounds)
    print(table(found))
    print(
        f"\nWindows of {NexusConfig(token_width=1, width=1).widest:g} places at most; one thread."
    )
    print(machine_line("torch", "scipy"))
    if said.plot:
        plot(found, said.plot)


if __name__ == "__main__":
    main()
