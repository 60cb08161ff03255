"""HuggingFaceEncoder against transformers' own model objects, and its identity and errors."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

from spectrum.encoders import ModelUnavailableError, UnsuitableModelError
from spectrum.encoders.huggingface import HuggingFaceEncoder
from tests.spectrum.encoders.tiny_models import (
    CLIP_WIDTH,
    JOINT_WIDTH,
    PATCH,
    SIDE,
    SIGLIP_WIDTH,
    TinyModels,
)

TEXTS = ["a cat", "red dog on the beach", ""]


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


def error_line(model: str) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        HuggingFaceEncoder(model).encode_texts(["a cat"])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    (line,) = str(caught.value).splitlines()
    return line


def edit_config(folder: Path, name: str = "config.json", **values: Any) -> None:
    """Sets keys of a json file; None removes one."""
    said = json.loads((folder / name).read_text()) | values
    kept = {key: value for key, value in said.items() if value is not None}
    (folder / name).write_text(json.dumps(kept))


@pytest.fixture
def clip_copy(tiny_models: TinyModels, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_models.clip, tmp_path / "copy"))


@pytest.fixture
def batch() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)


@pytest.mark.usefixtures("no_network")
def test_clip_gives_projection_class_token_and_patches(
    tiny_models: TinyModels, batch: np.ndarray
) -> None:
    found = HuggingFaceEncoder(str(tiny_models.clip)).encode_images(list(batch), tokens=True)
    model = transformers.CLIPModel.from_pretrained(tiny_models.clip).eval()
    with torch.inference_mode():
        joint = model.get_image_features(pixel_values=torch.from_numpy(batch)).pooler_output
        output = model.vision_model(pixel_values=torch.from_numpy(batch))
        patches = model.vision_model.post_layernorm(output.last_hidden_state[:, 1:])
    np.testing.assert_allclose(found.semantic, unit(joint), atol=1e-5)
    np.testing.assert_allclose(found.visual, unit(output.pooler_output), atol=1e-5)
    columns = SIDE // PATCH
    assert found.tokens.shape == (2, columns, columns, CLIP_WIDTH)
    for row in range(columns):
        for column in range(columns):
            np.testing.assert_allclose(
                found.tokens[:, row, column], patches[:, row * columns + column], atol=1e-5
            )


@pytest.mark.usefixtures("no_network")
def test_siglip_gives_its_pooled_vector_and_no_visual_one(
    tiny_models: TinyModels, batch: np.ndarray
) -> None:
    encoder = HuggingFaceEncoder(str(tiny_models.siglip))
    found = encoder.encode_images(list(batch), tokens=True)
    model = transformers.SiglipModel.from_pretrained(tiny_models.siglip).eval()
    with torch.inference_mode():
        output = model.get_image_features(pixel_values=torch.from_numpy(batch))
    columns = SIDE // PATCH
    np.testing.assert_allclose(found.semantic, unit(output.pooler_output), atol=1e-5)
    assert found.visual.shape == (2, 0)
    expected = output.last_hidden_state.reshape(2, columns, columns, SIGLIP_WIDTH)
    np.testing.assert_allclose(found.tokens, expected, atol=1e-5)


@pytest.mark.usefixtures("no_network")
def test_clip_texts_are_padded_behind_a_mask(tiny_models: TinyModels) -> None:
    model = transformers.CLIPModel.from_pretrained(tiny_models.clip).eval()
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tiny_models.clip)
    found = HuggingFaceEncoder(str(tiny_models.clip)).encode_texts(TEXTS)
    for text, vector in zip(TEXTS, found, strict=True):
        ids = tokenizer(text, truncation=True, max_length=16, return_tensors="pt")
        with torch.inference_mode():
            expected = model.get_text_features(**ids).pooler_output[0]
        np.testing.assert_allclose(vector, unit(expected), atol=1e-5)


@pytest.mark.usefixtures("no_network")
def test_siglip_texts_are_padded_to_the_end_and_read_it(tiny_models: TinyModels) -> None:
    model = transformers.SiglipModel.from_pretrained(tiny_models.siglip).eval()
    found = HuggingFaceEncoder(str(tiny_models.siglip)).encode_texts(TEXTS[:2])
    padded = [[3, 4] + [0] * 8, [9, 5, 6, 7, 8] + [0] * 5]
    with torch.inference_mode():
        expected = model.get_text_features(input_ids=torch.tensor(padded)).pooler_output
    np.testing.assert_allclose(found, unit(expected), atol=1e-5)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_a_text_is_cut_to_the_context(family: str, tiny_models: TinyModels) -> None:
    folder = {"clip": tiny_models.clip, "siglip": tiny_models.siglip}[family]
    long, longer = HuggingFaceEncoder(str(folder)).encode_texts(["a cat " * 20, "a cat " * 30])
    np.testing.assert_allclose(long, longer, atol=1e-6)


@pytest.mark.usefixtures("no_network")
def test_preparation_is_the_processor_s(tiny_models: TinyModels, images: list[np.ndarray]) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    processor = CLIPImageProcessorPil.from_pretrained(tiny_models.clip)
    encoder = HuggingFaceEncoder(str(tiny_models.clip))
    for image in images:
        expected = processor(images=Image.fromarray(image), return_tensors="np")["pixel_values"]
        np.testing.assert_allclose(encoder.prepare(image), expected[0], atol=1e-6)


@pytest.mark.usefixtures("no_network")
def test_an_image_of_the_right_size_is_only_normalised(tiny_models: TinyModels) -> None:
    image = np.random.default_rng(5).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    expected = ((image / 255 - mean) / deviation).transpose(2, 0, 1)
    prepared = HuggingFaceEncoder(str(tiny_models.clip)).prepare(image)
    np.testing.assert_allclose(prepared, expected, atol=1e-5)


@pytest.mark.usefixtures("no_network")
def test_identity_and_preparation_build_no_model(
    tiny_models: TinyModels, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model was built")

    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", refuse)
    encoder = HuggingFaceEncoder(str(tiny_models.clip))
    identity = encoder.identity
    widths = identity.semantic_dimension, identity.visual_dimension
    assert widths == (JOINT_WIDTH, CLIP_WIDTH)
    assert identity.name == f"hf:{tiny_models.clip}"
    assert identity.licence == "mit"
    assert encoder.side_pixels == SIDE
    assert encoder.prepare(images[0]).shape == (3, SIDE, SIDE)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("card", ["No front matter.\n", "---\nlicense: [mit\nx: : y\n---\n", None])
def test_a_card_without_a_licence_says_so(card: str | None, clip_copy: Path) -> None:
    (clip_copy / "README.md").unlink()
    if card is not None:
        (clip_copy / "README.md").write_text(card)
    licence = HuggingFaceEncoder(str(clip_copy)).identity.licence
    assert licence == "not stated: see where copy came from"


@pytest.mark.usefixtures("no_network")
def test_dimensions_left_out_of_a_config_are_the_library_s_defaults(clip_copy: Path) -> None:
    vision = json.loads((clip_copy / "config.json").read_text())["vision_config"]
    del vision["hidden_size"]
    edit_config(clip_copy, projection_dim=None, vision_config=vision)
    identity = HuggingFaceEncoder(str(clip_copy)).identity
    assert (identity.semantic_dimension, identity.visual_dimension) == (512, 768)


@pytest.mark.usefixtures("no_network")
def test_the_fingerprint_follows_weights_tokens_and_pixels_and_not_the_folder(
    tiny_models: TinyModels, clip_copy: Path
) -> None:
    def fingerprint(folder: Path) -> str:
        return HuggingFaceEncoder(str(folder)).identity.fingerprint

    seen = [fingerprint(tiny_models.clip)]
    assert fingerprint(clip_copy) == seen[0]
    (clip_copy / "README.md").write_text("Another licence changes no vector.\n")
    assert fingerprint(clip_copy) == seen[0]
    state = load_file(clip_copy / "model.safetensors")
    state["visual_projection.weight"][0, 0] += 1e-3
    save_file(state, clip_copy / "model.safetensors", metadata={"format": "pt"})
    seen.append(fingerprint(clip_copy))
    edit_config(clip_copy, "tokenizer_config.json", model_max_length=15)
    seen.append(fingerprint(clip_copy))
    edit_config(clip_copy, "preprocessor_config.json", resample=2)
    seen.append(fingerprint(clip_copy))
    assert len(set(seen)) == len(seen)


@pytest.mark.usefixtures("no_network")
def test_split_and_pickled_weights_are_one_model(
    tiny_models: TinyModels, clip_copy: Path, tmp_path: Path
) -> None:
    model = transformers.CLIPModel.from_pretrained(clip_copy)
    expected = HuggingFaceEncoder(str(clip_copy)).encode_texts(TEXTS)
    (clip_copy / "model.safetensors").unlink()
    split = Path(shutil.copytree(clip_copy, tmp_path / "split"))
    model.save_pretrained(split, max_shard_size="20KB")
    torch.save(model.state_dict(), clip_copy / "pytorch_model.bin")
    assert len(list(split.glob("model-*-of-*.safetensors"))) > 1
    for folder in (split, clip_copy):
        found = HuggingFaceEncoder(str(folder)).encode_texts(TEXTS)
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.usefixtures("no_network")
def test_a_cached_model_needs_no_network(tiny_models: TinyModels, tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "models--someone--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny_models.clip, repository / "snapshots" / ("0" * 40))
    encoder = HuggingFaceEncoder("someone/tiny")
    local = HuggingFaceEncoder(str(tiny_models.clip))
    np.testing.assert_array_equal(encoder.encode_texts(TEXTS), local.encode_texts(TEXTS))
    assert encoder.identity.name == "hf:someone/tiny"
    assert encoder.identity.fingerprint == local.identity.fingerprint


@pytest.mark.usefixtures("offline")
def test_an_absent_model_offline_says_where_it_looked(tmp_path: Path) -> None:
    line = error_line("google/siglip-base-patch16-224")
    assert "'google/siglip-base-patch16-224' is not in the cache" in line
    assert str(tmp_path / "hub") in line
    assert "HF_HUB_OFFLINE=0" in line


@pytest.mark.usefixtures("unreachable")
def test_an_absent_model_without_a_network_says_what_to_do() -> None:
    line = error_line("google/siglip-base-patch16-224")
    assert "could not be downloaded" in line
    assert "give a local path" in line


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/nowhere"])
def test_a_folder_that_is_not_there_is_no_model_id(name: str) -> None:
    assert "does not exist: give the folder that save_pretrained wrote" in error_line(name)


@pytest.mark.usefixtures("offline")
def test_a_name_that_is_neither_folder_nor_id_is_refused() -> None:
    assert "is neither a local folder nor a model id" in error_line("a/folder/that/is/not/here")


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"text_config": None, "model_type": "clip_vision_model"}, "has no text tower"),
        ({"vision_config": None}, "has no vision tower"),
        ({"model_type": "siglip2"}, "is a NaFlex model"),
        (
            {
                "model_type": "llava",
                "projection_dim": None,
                "text_config": {"model_type": "llama"},
                "vision_config": {"model_type": "clip_vision_model"},
            },
            "has no space that images and texts share",
        ),
    ],
)
def test_a_model_of_another_kind_is_unsuitable(
    edit: dict[str, Any], said: str, clip_copy: Path
) -> None:
    edit_config(clip_copy, **edit)
    with pytest.raises(UnsuitableModelError, match=said):
        _ = HuggingFaceEncoder(str(clip_copy)).identity


@pytest.mark.usefixtures("no_network")
def test_corrupt_weights_are_named(clip_copy: Path) -> None:
    (clip_copy / "model.safetensors").write_bytes(b"\x00\x01 these are no weights")
    line = error_line(str(clip_copy))
    assert f"cannot be loaded from {clip_copy}" in line
    assert "check that its files are whole" in line


@pytest.mark.usefixtures("no_network")
def test_weights_that_lack_a_layer_are_refused_and_not_invented(clip_copy: Path) -> None:
    state = load_file(clip_copy / "model.safetensors")
    del state["text_projection.weight"]
    save_file(state, clip_copy / "model.safetensors", metadata={"format": "pt"})
    assert "lacks weights, such as text_projection.weight" in error_line(str(clip_copy))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("config.json", "is no model of transformers"),
        ("preprocessor_config.json", "is no model of transformers"),
        ("model.safetensors", "has no whole model.safetensors or pytorch_model.bin"),
    ],
)
def test_a_missing_file_is_told(gone: str, said: str, clip_copy: Path) -> None:
    (clip_copy / gone).unlink()
    assert said in error_line(str(clip_copy))


def test_loading_is_silent(tiny_models: TinyModels, capfd: pytest.CaptureFixture[str]) -> None:
    HuggingFaceEncoder(str(tiny_models.clip)).encode_texts(["a cat"])
    assert capfd.readouterr() == ("", "")
