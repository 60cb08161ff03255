"""What a pretrained network says of photographs: pooled features, and its logits for them.

The photographs are those of ../shared/data, the network the first MobileNetV2 of ../shared/models.
Features are computed once, on one thread, and kept in a folder that git ignores.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from benchmarks.trust.contest import Trial
from spectrum.training.ensemble import TEACHERS, heard, interpreter
from spectrum.training.photographs import Photograph, captioned, classified, seen
from spectrum.training.quantised import dequantised_products

logger = logging.getLogger(__name__)
NETWORK = TEACHERS["classifier"]
"""MobileNetV2 1.0, trained on ImageNet: 1,280 pooled features, 1,001 classes."""
NEAR = ("caltech_half", "clothing", "imagenet_1k_sample")
"""Photographs of other things."""
FAR = ("textures", "blood_cells")
"""Photographs of no things."""


@dataclass(frozen=True, kw_only=True)
class Photographs:
    """A set's photographs and features."""

    photographs: list[Photograph]
    """In the order of the rows."""
    features: Float32[np.ndarray, "N F"]
    """Pooled features, not normalised."""


def listed(data: Path, name: str) -> list[Photograph]:
    """The photographs of one set, in an order that stays. FileNotFoundError where it has none."""
    if name.startswith("flickr8k_"):
        found = captioned(data / "flickr8k", name.removeprefix("flickr8k_"))
    elif name == "clothing":
        found = [
            photograph
            for part in ("train", "validation", "test")
            for photograph in classified(data / name / part)
        ]
    elif name in ("caltech_half", "textures"):
        found = classified(data / name)
    else:
        found = [Photograph(path=path) for path in sorted((data / name).glob("*.jpg"))]
    if not found:
        raise FileNotFoundError(f"{data / name}: expected photographs, found none")
    return found


def pooled(models: Path, photographs: list[Photograph]) -> Float32[np.ndarray, "N F"]:
    """Pooled features of each photograph, squashed to a square as Flickr8k's are."""
    network = interpreter(models / NETWORK.file)
    entrance = network.get_input_details()[0]["index"]
    rows = []
    for photograph in photographs:
        network.set_tensor(entrance, seen(photograph.path, "whole")[None])
        network.invoke()
        rows.append(heard(network, NETWORK.signals["classifier"]))
    return np.stack(rows)


def cached(shared: Path, cache: Path, name: str) -> Photographs:
    """One set with its features, which are read from `cache` if they are there."""
    photographs = listed(shared / "data", name)
    path = cache / f"{name}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        written = path.with_suffix(".part.npz")
        np.savez(written, allow_pickle=False, features=pooled(shared / "models", photographs))
        written.replace(path)
        logger.info("%s: %d photographs", path, len(photographs))
    with np.load(path) as read:
        features = read["features"]
    if len(features) != len(photographs):
        raise ValueError(
            f"{path}: expected {len(photographs)} rows, got {len(features)}; delete the file"
        )
    return Photographs(photographs=photographs, features=features)


def first_half(name: str, photographs: list[Photograph]) -> np.ndarray:
    """True for what choices are made on, False for what is reported; (N,).

    Classes alternate where a set has them, so that no class is in both halves; `clothing` comes
    with its own parts; other sets alternate photograph by photograph.
    """
    if name == "clothing":
        return np.array([photograph.path.parts[-3] == "train" for photograph in photographs])
    labels = [photograph.label or photograph.path.name for photograph in photographs]
    order = {label: number for number, label in enumerate(sorted(set(labels)))}
    return np.array([order[label] % 2 == 0 for label in labels])


def image_trials(shared: Path, cache: Path) -> tuple[Trial, Trial]:
    """The trial that choices are made on, and the one that is reported.

    Choices: the last 1,000 photographs of Flickr8k's train split ask the others, and the first
    halves of the unknown sets. Reported: its dev split asks all of train, and the second halves.
    """
    train = cached(shared, cache, "flickr8k_train").features
    dev = cached(shared, cache, "flickr8k_dev").features
    chosen, reported = {}, {}
    for name in NEAR + FAR:
        found = cached(shared, cache, name)
        first = first_half(name, found.photographs)
        chosen[name], reported[name] = found.features[first], found.features[~first]
    return (
        Trial(library=train[:-1000], known=train[-1000:], unknown=chosen),
        Trial(library=train, known=dev, unknown=reported),
    )


def classifier(shared: Path) -> tuple[Float32[np.ndarray, "Y F"], Float32[np.ndarray, " Y"]]:
    """Matrix and bias that make the network's logits of its pooled features."""
    *_, (weight, bias) = dequantised_products(shared / "models" / NETWORK.file)
    return weight.flatten(1).numpy(), bias.numpy()
