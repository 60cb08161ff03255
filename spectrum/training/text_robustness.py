"""Measures how a text tower takes typos, keywords and other forms of a query; prints the table.

    python -m spectrum.training.text_robustness --shared ../shared --work .training

Each variant of a caption asks for the caption's photograph, behind the shipped image tower. What
the sentence teacher makes of the same variants, projected by the same two linear maps, stands
beside it; its vectors are kept in the work folder, since it is slow.
"""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from jaxtyping import Float, Float32

from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.training import minilm, sentences, text_noise
from spectrum.training.measurement import encoded
from spectrum.training.measures import hit_rates
from spectrum.training.photographs import captioned

Vectors = Float32[np.ndarray, "N S"]
Semantic = Float32[np.ndarray, "N D"]
Change = Callable[[str, np.random.Generator], str]
SENTENCE = "sentence"
PER_PHOTOGRAPH = 2
"""Captions of a photograph that are asked with: its first ones."""


def caption_changes(nouns: frozenset[str]) -> dict[str, Change]:
    """What is done to captions, by the name of its row."""
    return {
        "as written": lambda text, random: text,
        "UPPER CASE": lambda text, random: text.upper(),
        "Title Case": lambda text, random: text.title(),
        "trailing !?.": lambda text, random: text + " !?."[: int(random.integers(2, 5))],
        "typo in one word": lambda text, random: text_noise.with_typos(text, 1, random),
        "typos in two words": lambda text, random: text_noise.with_typos(text, 2, random),
        "other number": lambda text, random: text_noise.other_number(text, nouns),
        "a photo of": lambda text, random: f"a photo of {text}",
        "picture of": lambda text, random: f"picture of {text}",
        "no articles": lambda text, random: text_noise.without_articles(text),
        "keywords": text_noise.keywords,
        "keywords, one typo": lambda text, random: text_noise.with_typos(
            text_noise.keywords(text, random), 1, random
        ),
    }


def name_changes(nouns: frozenset[str]) -> dict[str, Change]:
    """What is done to class names; the cosine is with the bare name's vector, but for the photo."""
    return {
        "NAME": lambda text, random: text,
        "NAME, upper case": lambda text, random: text.upper(),
        "NAME, one typo": lambda text, random: text_noise.with_typos(text, 1, random),
        "NAME, other number": lambda text, random: text_noise.other_number(text, nouns),
        "a photo of a NAME": lambda text, random: sentences.photo_of(text),
        "picture of NAME": lambda text, random: f"picture of {text}",
    }


def changed(texts: Sequence[str], change: Change, seed: int = 7) -> list[str]:
    """The texts, changed with random numbers that depend on the seed and the text's place only."""
    return [
        change(text, np.random.default_rng([seed, number])) for number, text in enumerate(texts)
    ]


def opened_projection(model: onnx.ModelProto) -> tuple[onnx.ModelProto, onnx.ModelProto]:
    """A text tower whose sentence vectors are an output too, and what stands behind them alone.

    The projection is found by its weight, `projection.captions.weight`.
    """
    graph = model.graph
    entering = next(
        node.input[0] for node in graph.node if "projection.captions.weight" in node.input
    )
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [SENTENCE if name == entering else name for name in names]
    width = onnx.helper.make_tensor_value_info(SENTENCE, onnx.TensorProto.FLOAT, [None, None])
    graph.output.append(width)
    graph.value_info.append(width)
    # The exporter reads the number of texts off the token ids, so they enter here as well.
    projection = onnx.utils.Extractor(model).extract_model(
        [SENTENCE, graph.input[0].name], [graph.output[0].name]
    )
    return model, projection


@dataclass(frozen=True, kw_only=True)
class TextSide:
    """Texts to sentence vectors, and sentence vectors to the semantic space."""

    sentence_vectors: Callable[[Sequence[str]], Vectors]
    """Unit sentence vectors of texts."""
    project: Callable[[Vectors], Semantic]
    """Sentence vectors to semantic vectors."""


def shipped_texts(weights: Path) -> TextSide:
    """The text side of a folder of weights."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    whole, last = opened_projection(onnx.load(weights / "text_tower.onnx"))
    towers = [
        onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        for model in (whole, last)
    ]

    def vectors(texts: Sequence[str]) -> Vectors:
        rows = [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]
        made = np.empty((len(rows), 0), dtype=np.float32)
        for length in sorted({len(row) for row in rows}):
            places = [place for place, row in enumerate(rows) if len(row) == length]
            entering = np.array([rows[place] for place in places], dtype=np.int64)
            (found,) = towers[0].run([SENTENCE], {"input": entering})
            if not made.size:
                made = np.empty((len(rows), found.shape[1]), dtype=np.float32)
            made[places] = found
        return made

    def project(sentence_unit: Vectors) -> Semantic:
        ids = np.ones((len(sentence_unit), 2), dtype=np.int64)
        return np.asarray(towers[1].run(None, {SENTENCE: sentence_unit, "input": ids})[0])

    return TextSide(sentence_vectors=vectors, project=project)


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Variants of texts, with the sentence teacher's vectors of them."""

    texts: dict[str, list[str]]
    """By row of the table; the first row is the texts as they are."""
    teacher: dict[str, Vectors]
    """The teacher's vectors of the variants."""

    @property
    def wanted(self) -> Vectors:
        """The teacher's vectors of the unchanged texts."""
        return self.teacher[next(iter(self.texts))]


def questions(texts: Sequence[str], changes: dict[str, Change], cache: Path) -> Questions:
    """The variants, and the teacher's vectors of all of them, kept in the file `cache`."""
    made = {row: changed(texts, change) for row, change in changes.items()}
    everything = [text for row in made.values() for text in row]
    vectors = minilm.cached_sentences(everything, cache)
    parts = np.split(vectors, len(made))
    return Questions(texts=made, teacher=dict(zip(made, parts, strict=True)))


def hit_10(
    text_unit: Float[np.ndarray, "M D"], image_unit: Float[np.ndarray, "N D"], each: int
) -> float:
    """Percentage of texts, `each` in a row for every photograph, with theirs in the first ten."""
    owners = np.repeat(np.arange(len(image_unit)), each)
    right = owners[:, None] == np.arange(len(image_unit))
    return hit_rates(text_unit @ image_unit.T, right)[2]


def figures(
    asked: Questions,
    side: TextSide,
    image_unit: Float32[np.ndarray, "N D"] | None = None,
    each: int = PER_PHOTOGRAPH,
) -> dict[str, dict[str, float]]:
    """By row: cosines to the teacher's vector of the unchanged text and, with images, hit@10."""
    made: dict[str, dict[str, float]] = {}
    for row, texts in asked.texts.items():
        both = {"tower": side.sentence_vectors(texts), "teacher": asked.teacher[row]}
        made[row] = {}
        for who, vectors in both.items():
            made[row][f"{who} cosine"] = float((vectors * asked.wanted).sum(axis=1).mean())
            if image_unit is not None:
                hits = hit_10(side.project(vectors), image_unit, each)
                made[row][f"{who} hit@10"] = hits
    return made


def table(rows: dict[str, dict[str, float]]) -> str:
    """The figures in Markdown: cosines with three decimals, hits in per cent."""
    columns = list(next(iter(rows.values())))
    lines = ["| variant | " + " | ".join(columns) + " |", "|" + " --- |" * (len(columns) + 1)]
    for row, found in rows.items():
        values = (
            f"{value:.1f}" if "hit" in column else f"{value:.3f}" for column, value in found.items()
        )
        lines.append(f"| {row} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def asked_on_dev(shared: Path, work: Path) -> tuple[Questions, Questions]:
    """The variants of Flickr8k's dev captions, and of class names."""
    nouns = sentences.single_nouns(sentences.nouns(shared))
    captions = [
        sentences.plain(caption)
        for photograph in captioned(shared / "data/flickr8k", "dev")
        for caption in photograph.captions[:PER_PHOTOGRAPH]
    ]
    names = sentences.class_names(shared)[1:]
    return (
        questions(captions, caption_changes(nouns), work / "robust_captions.npy"),
        questions(names, name_changes(nouns), work / "robust_names.npy"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures a text tower on varied queries.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--work", type=Path, default=Path(".training"))
    parser.add_argument("--weights", type=Path, default=SHIPPED)
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    chosen.work.mkdir(parents=True, exist_ok=True)
    captions, names = asked_on_dev(chosen.shared, chosen.work)
    dev = captioned(chosen.shared / "data/flickr8k", "dev")
    images = encoded(EmbeddedEncoder(str(chosen.weights)), dev).semantic
    side = shipped_texts(chosen.weights)
    made = {"captions": figures(captions, side, images), "names": figures(names, side)}
    print(json.dumps(made, indent=1) if chosen.json else "\n".join(map(table, made.values())))


if __name__ == "__main__":
    main()
