"""Intent and negation over rendered scenes, beside what needs no training: Markdown tables.

python -m benchmarks.intent [--cache DIR] [--scenes 300] [--seed 8] [--encoder embedded]

Settings were chosen on the collection of seed 7, so that of another seed is shown.
Intervals are 95 %, by paired bootstrap over reference scenes.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.intent.collection import ATTRIBUTES, Collection, collection
from benchmarks.intent.methods import Methods
from benchmarks.intent.queries import IntentQuery, intent_queries, leaks, negation_queries
from retrieval.evaluation.intervals import Estimate, mean_with_interval, paired_difference
from retrieval.ranking import intent
from spectrum.encoders import load_encoder

LINE, OURS = "product, min-max", "intent"
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
WEIGHTS = {
    "what is asked for": "ASKED_WEIGHT",
    "what is kept, in a change": "KEPT_WEIGHT",
    "what is replaced": "REPLACED_WEIGHT",
    "what is kept, in a focus": "FOCUS_WEIGHT",
}
"""Parts of a query with an intent -> their weights in `retrieval.ranking.intent`."""
Measures = np.ndarray
"""Q rows: hit@1, hit@10, average precision, leak of the first five."""


def measured(
    method: Callable[[IntentQuery], np.ndarray],
    queries: Sequence[IntentQuery],
    scenes: Collection,
) -> Measures:
    """How well each query is answered."""
    rows = []
    for query in queries:
        scores = np.array(method(query), dtype=np.float64)
        scores[query.reference] = -np.inf
        order = np.argsort(-scores, kind="stable")[:-1]
        found = query.targets[order]
        ranks = np.flatnonzero(found) + 1
        precision = float(np.mean(np.arange(1, len(ranks) + 1) / ranks))
        leak = leaks(query, scenes, order[:5])
        rows.append([float(found[0]), float(found[:10].any()), precision, leak])
    return np.array(rows)


def shown(estimate: Estimate) -> str:
    """Per cent with its interval."""
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def table(
    title: str, results: dict[str, Measures], queries: Sequence[IntentQuery], chosen: np.ndarray
) -> None:
    """One line a method, with what an intent gains over it."""
    clusters = np.array([query.reference for query in queries])[chosen]
    print(f"\n**{title}** ({chosen.sum()} queries)\n")
    print("| method | hit@1 | hit@10 | mAP | leak | intent's gain, hit@1 | intent's gain, mAP |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, values in results.items():
        cells = [shown(mean_with_interval(values[chosen, 0], clusters))]
        cells += [f"{100 * values[chosen, column].mean():.1f}" for column in (1, 2, 3)]
        gains = (results[OURS] - values)[chosen]
        same = name == OURS
        cells += ["" if same else shown(paired_difference(gains[:, c], clusters)) for c in (0, 2)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def intents(scenes: Collection, methods: Methods, queries: Sequence[IntentQuery]) -> None:
    """All tables of intent."""
    kinds = np.array([query.kind for query in queries])
    results = {name: measured(one, queries, scenes) for name, one in methods.by_name.items()}
    table("All", results, queries, kinds != "")
    for kind in ("change", "focus"):
        table(kind.capitalize(), results, queries, kinds == kind)
    left_out(scenes, methods, queries, results[OURS])
    print("\n| hit@1 / mAP | " + " | ".join(ATTRIBUTES) + " |")
    print("| --- |" + " --- |" * len(ATTRIBUTES))
    for kind in ("change", "focus"):
        for name in (LINE, OURS):
            cells = []
            for attribute in ATTRIBUTES:
                asked = np.array([query.asked == attribute for query in queries])
                some = results[name][asked & (kinds == kind)].mean(axis=0)
                cells.append(f"{100 * some[0]:.1f} / {100 * some[2]:.1f}")
            print(f"| {kind}: {name} | " + " | ".join(cells) + " |")
    print("\n| strength | hit@1 | hit@10 | mAP | leak |\n| --- | --- | --- | --- | --- |")
    for strength in STRENGTHS:
        values = measured(lambda q, s=strength: methods.intended(q, s), queries, scenes)  # type: ignore[misc]
        cells = [f"{100 * value:.1f}" for value in values.mean(axis=0)]
        print(f"| {strength} | " + " | ".join(cells) + " |")


def left_out(
    scenes: Collection, methods: Methods, queries: Sequence[IntentQuery], whole: Measures
) -> None:
    """What each part of a query with an intent is worth: less it, over the whole."""
    clusters = np.array([query.reference for query in queries])
    print("\n| without | hit@1 | mAP | loses, hit@1 | loses, mAP |")
    print("| --- | --- | --- | --- | --- |")
    for part, weight in WEIGHTS.items():
        with patch.object(intent, weight, 0.0):
            values = measured(methods.by_name[OURS], queries, scenes)
        cells = [f"{100 * values[:, column].mean():.1f}" for column in (0, 2)]
        cells += [shown(paired_difference((whole - values)[:, c], clusters)) for c in (0, 2)]
        print(f"| {part} | " + " | ".join(cells) + " |")


def negations(scenes: Collection, methods: Methods) -> None:
    """Precision of the first ten, with and without captions."""
    queries = negation_queries(scenes)
    clusters = np.unique([query.wanted for query in queries], return_inverse=True)[1]
    found = {
        name: np.array([float(query.relevant[way(query)[:10]].mean()) for query in queries])
        for name, way in methods.negations.items()
    }
    chance = np.mean([query.relevant.mean() for query in queries])
    print(f"\n**X without Y** ({len(queries)} queries; a random order: {100 * chance:.1f})\n")
    print("| method | precision@10 | over vector subtraction |\n| --- | --- | --- |")
    for name, values in found.items():
        gain = paired_difference(values - found["vector subtraction"], clusters)
        beyond = "" if name == "vector subtraction" else shown(gain)
        print(f"| {name} | {shown(mean_with_interval(values, clusters))} | {beyond} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(".training/intent"))
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--encoder", default="embedded")
    arguments = parser.parse_args()
    encoder = load_encoder(arguments.encoder)
    scenes = collection(arguments.cache, encoder, n_scenes=arguments.scenes, seed=arguments.seed)
    queries = intent_queries(scenes)
    texts = {query.words for query in queries}
    texts |= {
        words for query in negation_queries(scenes) for words in (query.wanted, query.unwanted)
    }
    methods = Methods(scenes, encoder, sorted(texts))
    intents(scenes, methods, queries)
    negations(scenes, methods)


if __name__ == "__main__":
    main()
