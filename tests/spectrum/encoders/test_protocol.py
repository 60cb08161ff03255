"""What holds for every encoder that can be built without a download."""

import threading

import numpy as np
import pytest

from spectrum.encoders import Encoder, load_encoder
from tests.spectrum.encoders.tiny_models import ARCHITECTURES, TinyModels

NAMES = ["hf:clip", "hf:siglip", "open_clip:folder", *(f"open_clip:{a}" for a in ARCHITECTURES)]
TEXTS = ["a cat", "", "red dog on the beach " * 40, "a"]

pytestmark = pytest.mark.usefixtures("no_network")


def full_name(name: str, models: TinyModels) -> str:
    family, _, model = name.partition(":")
    if model in ARCHITECTURES:
        return f"open_clip:{model}/{models.open_clip[model]}"
    folders = {"clip": models.clip, "siglip": models.siglip, "folder": models.open_clip_folder}
    return f"{family}:{folders[model]}"


@pytest.fixture(scope="module", params=NAMES)
def encoder(request: pytest.FixtureRequest, tiny_models: TinyModels) -> Encoder:
    return load_encoder(full_name(request.param, tiny_models))


def test_every_prepared_image_has_one_shape(encoder: Encoder, images: list[np.ndarray]) -> None:
    side = encoder.side_pixels
    for image in images:
        pixels = encoder.prepare(image)
        assert (pixels.shape, pixels.dtype) == ((3, side, side), np.float32)


def test_widths_are_those_of_the_identity(encoder: Encoder, images: list[np.ndarray]) -> None:
    found = encoder.encode_images([encoder.prepare(image) for image in images])
    identity = encoder.identity
    assert found.semantic.shape == (len(images), identity.semantic_dimension)
    assert found.visual.shape == (len(images), identity.visual_dimension)
    assert encoder.encode_texts(TEXTS).shape == (len(TEXTS), identity.semantic_dimension)
    assert encoder.visual_weight == (0.5 if identity.visual_dimension else 0.0)


def test_vectors_have_unit_length(encoder: Encoder, images: list[np.ndarray]) -> None:
    found = encoder.encode_images([encoder.prepare(image) for image in images])
    blocks = [found.semantic, encoder.encode_texts(TEXTS)]
    blocks += [found.visual] if encoder.identity.visual_dimension else []
    for block in blocks:
        np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1, atol=1e-5)


def test_different_images_get_different_vectors(encoder: Encoder, images: list[np.ndarray]) -> None:
    found = encoder.encode_images([encoder.prepare(image) for image in images]).semantic
    apart = np.abs(found[:, None] - found[None]).max(axis=-1)
    assert apart[~np.eye(len(images), dtype=bool)].min() > 1e-4


def test_an_image_vector_does_not_depend_on_its_batch(
    encoder: Encoder, images: list[np.ndarray]
) -> None:
    pixels = [encoder.prepare(image) for image in images]
    together = encoder.encode_images(pixels, tokens=True)
    for index, one in enumerate(pixels):
        alone = encoder.encode_images([one], tokens=True)
        for block, row in zip(together, alone, strict=True):
            np.testing.assert_allclose(block[index], row[0], atol=1e-5)


def test_a_text_vector_does_not_depend_on_its_batch(encoder: Encoder) -> None:
    together = encoder.encode_texts(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.encode_texts([text])[0], vector, atol=1e-5)


def test_asking_for_tokens_changes_no_vector(encoder: Encoder, images: list[np.ndarray]) -> None:
    pixels = [encoder.prepare(image) for image in images]
    without, with_tokens = encoder.encode_images(pixels), encoder.encode_images(pixels, tokens=True)
    assert without.tokens is None
    np.testing.assert_allclose(without.semantic, with_tokens.semantic, atol=1e-5)
    np.testing.assert_allclose(without.visual, with_tokens.visual, atol=1e-5)
    assert with_tokens.tokens.ndim == 4
    assert len(with_tokens.tokens) == len(pixels)


def test_nothing_in_gives_nothing_out(encoder: Encoder) -> None:
    identity = encoder.identity
    found = encoder.encode_images([])
    assert found.semantic.shape == (0, identity.semantic_dimension)
    assert found.visual.shape == (0, identity.visual_dimension)
    assert encoder.encode_texts([]).shape == (0, identity.semantic_dimension)


def test_the_name_in_the_identity_loads_the_same_encoder(encoder: Encoder) -> None:
    assert load_encoder(encoder.identity.name).identity == encoder.identity


def test_the_preprocessing_is_one_line(encoder: Encoder) -> None:
    assert len(encoder.identity.preprocessing.splitlines()) == 1


@pytest.mark.parametrize("name", ["hf:clip", "open_clip:tiny-vit"])
def test_threads_that_start_together_build_one_model(
    name: str, tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, builder = {
        "hf": ("transformers", "AutoModel.from_pretrained"),
        "open_clip": ("open_clip", "create_model"),
    }[name.partition(":")[0]]
    encoder = load_encoder(full_name(name, tiny_models))
    expected = load_encoder(full_name(name, tiny_models)).encode_texts(["a cat"])
    built = []
    target = f"{module}.{builder}"
    real = pytest.importorskip(module)
    for part in builder.split("."):
        real = getattr(real, part)

    def counted(*arguments: object, **settings: object) -> object:
        built.append(arguments)
        return real(*arguments, **settings)

    monkeypatch.setattr(target, counted)
    start, found = threading.Barrier(8), []

    def encode() -> None:
        start.wait()
        found.append(encoder.encode_texts(["a cat"]))

    threads = [threading.Thread(target=encode) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert len(found) == 8
    for vectors in found:
        np.testing.assert_array_equal(vectors, expected)
