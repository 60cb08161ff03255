"""X without Y over photographs that people described: a Markdown table.

python -m benchmarks.intent.photographs [--shared ../shared] [--cache DIR] [--encoder embedded]

Flickr8k's dev photographs. One is relevant if any of its five captions says X, in some form, and
none says Y; where captions take part, a library knows the first of the five.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.intent.__main__ import shown
from benchmarks.intent.collection import Collection, encoded
from benchmarks.intent.methods import Methods
from benchmarks.intent.queries import NegationQuery
from retrieval.evaluation.intervals import mean_with_interval, paired_difference
from retrieval.ranking.word_forms import said_share
from spectrum.encoders import load_encoder

WORDS = (
    "dog man woman child girl boy ball water grass snow beach street bike mountain tree sand rock"
    " pool car shirt hat red blue yellow black white fence field"
)


def queries(captions: list[list[str]]) -> list[NegationQuery]:
    """All pairs of `WORDS` with twenty relevant photographs and ten that show both."""
    says = {
        word: np.array([any(said_share(word, one) == 1 for one in said) for said in captions])
        for word in WORDS.split()
    }
    return [
        NegationQuery(wanted=wanted, unwanted=unwanted, kind="photographs", relevant=has & ~lacks)
        for wanted, has in says.items()
        for unwanted, lacks in says.items()
        if wanted != unwanted and (has & ~lacks).sum() >= 20 and (has & lacks).sum() >= 10
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--cache", type=Path, default=Path(".training/intent"))
    parser.add_argument("--encoder", default="embedded")
    arguments = parser.parse_args()
    folder = arguments.shared / "data" / "flickr8k"
    lines = [json.loads(line) for line in (folder / "captions.jsonl").open(encoding="utf-8")]
    lines = [line for line in lines if line["split"] == "dev"]
    encoder = load_encoder(arguments.encoder)
    cache = arguments.cache / f"{encoder.identity.fingerprint[:12]}-flickr8k-dev.npy"
    if not cache.exists():
        np.save(cache, encoded(encoder, [folder / line["image"] for line in lines]))
    vectors = np.load(cache)
    scenes = Collection(
        attributes=[],
        captions=[line["captions"][0] for line in lines],
        vectors=vectors,
        queries=vectors,
        semantic=encoder.identity.semantic_dimension,
    )
    asked = queries([line["captions"] for line in lines])
    methods = Methods(scenes, encoder, WORDS.split())
    clusters = np.unique([query.wanted for query in asked], return_inverse=True)[1]
    found = {
        name: np.array([float(query.relevant[way(query)[:10]].mean()) for query in asked])
        for name, way in methods.negations.items()
    }
    print(f"**X without Y, photographs** ({len(asked)} queries)\n")
    print("| method | precision@10 | over vector subtraction |\n| --- | --- | --- |")
    for name, values in found.items():
        gain = paired_difference(values - found["vector subtraction"], clusters)
        beyond = "" if name == "vector subtraction" else shown(gain)
        print(f"| {name} | {shown(mean_with_interval(values, clusters))} | {beyond} |")


if __name__ == "__main__":
    main()
