"""Weights of quantised files: they go where they belong, and the networks compute the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spectrum.training import quantised
from spectrum.training.ensemble import TEACHERS, signals
from spectrum.training.mobilenet import MobileNetV1, MobileNetV2
from spectrum.training.photographs import captioned, seen
from spectrum.training.quantised import fill, products


@pytest.fixture
def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 5, groups=3)), nn.Linear(3, 7)
    )


def stored(*shapes: tuple[int, ...]) -> list[tuple[Tensor, Tensor]]:
    """Weights that count up from 0, and biases that count down from -1."""
    return [
        (
            torch.arange(np.prod(shape), dtype=torch.float32).reshape(shape),
            -torch.arange(1.0, shape[0] + 1),
        )
        for shape in shapes
    ]


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """What the next file holds; a test fills it."""
    held: list[tuple[Tensor, Tensor]] = []

    def read(path: Path) -> Iterator[tuple[Tensor, Tensor]]:
        yield from held

    monkeypatch.setattr(quantised, "dequantised_products", read)
    return held


def test_layers_are_filled_in_their_order(
    network: nn.Sequential, file: list[tuple[Tensor, Tensor]]
) -> None:
    """A depthwise layer is stored with its channels last but one, a matrix as a convolution."""
    file += stored((3, 2, 3, 3), (3, 1, 5, 5), (7, 3, 1, 1), (5, 5))
    layers = products(network)
    fill(layers, Path("model.tflite"))
    for layer, (weight, bias) in zip(layers, file, strict=False):
        parameters = dict(layer.named_parameters())
        assert parameters["weight"].flatten().tolist() == weight.flatten().tolist()
        assert parameters["bias"].tolist() == bias.tolist()
    assert [tuple(layer.get_parameter("weight").shape) for layer in layers] == [
        (3, 2, 3, 3),
        (3, 1, 5, 5),
        (7, 3),
    ]


def test_a_file_with_too_few_layers_is_refused(
    network: nn.Sequential, file: list[tuple[Tensor, Tensor]]
) -> None:
    file += stored((3, 2, 3, 3))
    with pytest.raises(ValueError, match=r"^model.tflite: 1 layers with weights; 3 expected$"):
        fill(products(network), Path("model.tflite"))


def test_a_layer_of_another_size_is_named(
    network: nn.Sequential, file: list[tuple[Tensor, Tensor]]
) -> None:
    file += stored((3, 2, 3, 3), (3, 1, 3, 3), (7, 3))
    said = r"^model.tflite: layer 1 holds \(3, 1, 3, 3\); \(3, 1, 5, 5\) expected$"
    with pytest.raises(ValueError, match=said):
        fill(products(network), Path("model.tflite"))


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")
def test_read_networks_compute_what_the_interpreter_computes(shared_data: Path) -> None:
    """Pooled features of four photographs; the interpreter computes them in eight bits."""
    models = shared_data.parent / "models"
    v1, v2 = MobileNetV1(1.0).eval(), MobileNetV2().eval()
    fill(products(v1), models / TEACHERS["extractor"].file)
    fill(products(v2), models / TEACHERS["classifier"].file)
    for photograph in captioned(shared_data / "flickr8k", "dev")[:4]:
        pixels = seen(photograph.path, "whole")
        wanted = signals(models, pixels)
        for name, network in (("extractor", v1), ("classifier", v2)):
            with torch.inference_mode():
                made = network(torch.from_numpy(pixels.copy())[None]).mean(dim=(2, 3))[0].numpy()
            cosine = made @ wanted[name] / np.linalg.norm(made) / np.linalg.norm(wanted[name])
            assert cosine > 0.99, (name, photograph.path.name)
