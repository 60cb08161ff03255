"""CASTLE 1.3a: the closed form against running everything again for each image.

python benchmarks/counterfactual.py [ROUNDS] [ANCHORS]

Two works are timed, on one thread. "Attention": logits and values are there, and Delta is made of
them, once by the closed form and once by M attentions. "Features": the whole of 1.1, so that each
re-run also makes its queries, keys, values and causal mask anew; the closed form needs one further
mask. Rounds alternate between the two, so a drift of the machine's speed meets both. The largest
difference of the two results, in float64, stands beside the times.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from machine import machine_line
from torch import Tensor

from spectrum.castle.causal_attention import causal_attention, causal_logits, causal_mask
from spectrum.castle.config import CastleConfig
from spectrum.castle.counterfactual import Intervention, ablated, intervention_effects
from spectrum.castle.module import Castle

MEMBERS = [17, 128]
SLOW = ("features", 128)
"""A tenth of a teraflop a re-run: a single round of it, without a first one that is not counted."""
WIDTH = 512


def rerun_attention(given: Intervention, real: Tensor) -> Tensor:
    """Delta by M attentions, each with one image's logits and value replaced."""
    before = causal_attention(given.logits, real) @ given.values
    effects = []
    for i in range(given.values.shape[1]):
        logits, values = given.logits.clone(), given.values.clone()
        logits[:, :, i] = given.source_logits[:, :, i]
        logits[:, i] = given.own_logits[:, i]
        values[:, i] = given.new_values[:, i]
        after = causal_attention(logits, real) @ values
        effects.append((after - before).square().sum(dim=-1))
    return torch.stack(effects, dim=1)


def rerun_features(castle: Castle, features: Tensor, real: Tensor) -> Tensor:
    """Delta by M runs of CASTLE 1.1 from the features on."""

    def outputs(rows: Tensor) -> Tensor:
        mask = causal_mask(rows, rows, castle.difference_network)
        queries = castle.log_sharpness.exp() * castle.query(rows)
        attention = causal_attention(causal_logits(queries, castle.key(rows), mask), real)
        return attention @ castle.value(rows)

    before, replaced, effects = outputs(features), ablated(features, real)[:, 0], []
    for i in range(features.shape[1]):
        altered = features.clone()
        altered[:, i] = replaced
        effects.append((outputs(altered) - before).square().sum(dim=-1))
    return torch.stack(effects, dim=1)


def seconds(run: Callable[[], Tensor]) -> float:
    """Of the processor, not of the clock: other programs are left out. Only for one thread."""
    start = time.process_time()
    run()
    return time.process_time() - start


def settled_castle(dtype: torch.dtype) -> Castle:
    """Away from its start, where the mask would be the same for all."""
    torch.manual_seed(0)
    castle = Castle(CastleConfig(width=WIDTH)).to(dtype).eval()
    for parameter in castle.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return castle


def works(
    anchors: int, members: int, dtype: torch.dtype
) -> dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]]:
    """The closed form and the re-run of each work, on the same random unit vectors."""
    castle = settled_castle(dtype)
    generator = torch.Generator().manual_seed(members)
    features = torch.randn(anchors, members, WIDTH, dtype=dtype, generator=generator)
    features = torch.nn.functional.normalize(features, dim=-1)
    real = torch.ones(anchors, members, dtype=torch.bool)
    given = castle.intervention(features, real)

    def closed_from_features() -> Tensor:
        return intervention_effects(castle.intervention(features, real), real)

    return {
        "attention": (
            lambda: intervention_effects(given, real),
            lambda: rerun_attention(given, real),
        ),
        "features": (closed_from_features, lambda: rerun_features(castle, features, real)),
    }


@torch.no_grad()
def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    anchors = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    torch.set_num_threads(1)
    print("| work | M | closed form, ms | re-run, ms | ratio | min | max | largest difference |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for members in MEMBERS:
        exact = works(anchors, members, torch.float64)
        for name, (closed, rerun) in works(anchors, members, torch.float32).items():
            difference = (exact[name][0]() - exact[name][1]()).abs().max().item()
            slow_work = (name, members) == SLOW
            if not slow_work:
                closed(), rerun()
            measured = range(1 if slow_work else rounds)
            times = [(seconds(closed), seconds(rerun)) for _ in measured]
            ratios = [slow / fast for fast, slow in times]
            fast, slow = (1000 * statistics.median(column) for column in zip(*times, strict=True))
            print(
                f"| {name} | {members} | {fast:.2f} | {slow:.1f} | {statistics.median(ratios):.0f}"
                f" | {min(ratios):.0f} | {max(ratios):.0f} | {difference:.0e} |"
            )
    print(f"\nProcessor time, medians of {rounds} rounds, float32, B = {anchors}, D = {WIDTH},")
    print("one thread; the difference in float64. Features at M = 128: one round.")
    print(machine_line("torch"))


if __name__ == "__main__":
    main()
