"""OpenClipEncoder against open_clip's own model objects, and its identity and errors."""

import json
import logging
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.pretrained import _PRETRAINED
from safetensors.torch import load_file, save_file

from spectrum.encoders import ModelUnavailableError, UnsuitableModelError
from spectrum.encoders.openclip import OpenClipEncoder
from tests.spectrum.encoders.tiny_models import PATCH, SIDE, TinyModels


def library_model(name: str, weights: Path, **settings: Any) -> torch.nn.Module:
    return open_clip.create_model(name, pretrained=str(weights), **settings).eval()


def unit(vectors: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()


def error_line(model: str) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        OpenClipEncoder(model).encode_texts(["a cat"])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    (line,) = str(caught.value).splitlines()
    return line


@pytest.fixture
def batch() -> torch.Tensor:
    """Two images of the network's own size, normalised by hand as CLIP does it."""
    noise = np.random.default_rng(3).integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    values = (noise / 255 - mean) / deviation
    return torch.from_numpy(values.transpose(0, 3, 1, 2).astype(np.float32))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("kind", ["safetensors", "pickle"])
def test_a_vit_gives_projection_class_token_and_patches(
    kind: str, tiny_models: TinyModels, batch: torch.Tensor
) -> None:
    weights = tiny_models.open_clip["tiny-vit"]
    file = weights if kind == "safetensors" else tiny_models.open_clip_pickle
    found = OpenClipEncoder(f"tiny-vit/{file}").encode_images(list(batch.numpy()), tokens=True)
    model = library_model("tiny-vit", weights)
    with torch.inference_mode():
        hidden = model.visual.ln_post(model.visual.transformer(model.visual._embeds(batch)))
        projected = model.encode_image(batch)
    np.testing.assert_allclose(found.semantic, unit(projected), atol=1e-5)
    np.testing.assert_allclose(found.visual, unit(hidden[:, 0]), atol=1e-5)
    columns = SIDE // PATCH
    assert found.tokens.shape == (2, columns, columns, hidden.shape[-1])
    for row in range(columns):
        for column in range(columns):
            np.testing.assert_allclose(
                found.tokens[:, row, column], hidden[:, 1 + row * columns + column], atol=1e-5
            )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("name", "visual_dimension"),
    [("tiny-resnet", 0), ("tiny-coca-pool", 12), ("tiny-timm", 64), ("tiny-timm-unprojected", 0)],
)
def test_other_towers_keep_their_projection(
    name: str, visual_dimension: int, tiny_models: TinyModels, images: list[np.ndarray]
) -> None:
    weights = tiny_models.open_clip[name]
    encoder = OpenClipEncoder(f"{name}/{weights}")
    pixels = [encoder.prepare(image) for image in images]
    with torch.inference_mode():
        expected = library_model(name, weights).encode_image(torch.from_numpy(np.stack(pixels)))
    assert encoder.identity.visual_dimension == visual_dimension
    np.testing.assert_allclose(encoder.encode_images(pixels).semantic, unit(expected), atol=1e-5)


@pytest.mark.usefixtures("no_network")
def test_the_visual_vector_of_a_timm_tower_is_its_trunk(
    tiny_models: TinyModels, images: list[np.ndarray]
) -> None:
    weights = tiny_models.open_clip["tiny-timm"]
    encoder = OpenClipEncoder(f"tiny-timm/{weights}")
    pixels = [encoder.prepare(image) for image in images]
    with torch.inference_mode():
        trunk = library_model("tiny-timm", weights).visual.trunk(torch.from_numpy(np.stack(pixels)))
    np.testing.assert_allclose(encoder.encode_images(pixels).visual, unit(trunk), atol=1e-5)


@pytest.mark.usefixtures("no_network")
def test_texts_are_those_of_the_library_cut_to_the_context(tiny_models: TinyModels) -> None:
    weights = tiny_models.open_clip["tiny-vit"]
    texts = ["a red cat", "Two dogs on a beach", "sea " * 200, "sea " * 300]
    found = OpenClipEncoder(f"tiny-vit/{weights}").encode_texts(texts)
    with torch.inference_mode():
        expected = library_model("tiny-vit", weights).encode_text(open_clip.tokenize(texts))
    np.testing.assert_allclose(found, unit(expected), atol=1e-5)
    np.testing.assert_allclose(found[2], found[3], atol=1e-6)


@pytest.mark.usefixtures("no_network")
def test_preparation_is_the_library_s_for_validation(
    tiny_models: TinyModels, images: list[np.ndarray]
) -> None:
    from PIL import Image

    encoder = OpenClipEncoder(f"tiny-vit/{tiny_models.open_clip['tiny-vit']}")
    expected = open_clip.image_transform(SIDE, is_train=False)
    for image in images:
        np.testing.assert_array_equal(
            encoder.prepare(image), expected(Image.fromarray(image)).numpy()
        )


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("prefix", ["", "local-dir:", "tiny-vit/"])
def test_a_folder_brings_its_own_preprocessing(prefix: str, tiny_models: TinyModels) -> None:
    encoder = OpenClipEncoder(f"{prefix}{tiny_models.open_clip_folder}")
    grey = np.full((8, 20, 3), 255, np.uint8)
    np.testing.assert_allclose(encoder.prepare(grey), (1 - 0.5) / 0.25)
    assert '"resize_mode": "squash"' in encoder.identity.preprocessing
    assert encoder.identity.name == f"open_clip:local-dir:{tiny_models.open_clip_folder}"
    one_folder = encoder.encode_texts(["a cat"])
    one_file = OpenClipEncoder(f"tiny-vit/{tiny_models.open_clip['tiny-vit']}")
    np.testing.assert_allclose(one_folder, one_file.encode_texts(["a cat"]), atol=1e-6)


@pytest.mark.usefixtures("no_network")
def test_a_folder_brings_its_own_tokenizer(tiny_models: TinyModels, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_models.open_clip_folder, tmp_path / "folder"))
    config = folder / "open_clip_config.json"
    said = json.loads(config.read_text())
    said["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "someone/siglip", "context_length": 77}
    config.write_text(json.dumps(said))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_models.siglip / name, folder)
    found = OpenClipEncoder(str(folder)).encode_texts(["red dog"])
    model = library_model("tiny-vit", tiny_models.open_clip["tiny-vit"])
    with torch.inference_mode():
        expected = model.encode_text(torch.tensor([[9, 5] + [0] * 75]))
    np.testing.assert_allclose(found, unit(expected), atol=1e-5)


@pytest.mark.usefixtures("no_network")
def test_a_local_file_of_siglip_weights_gets_siglip_s_preprocessing(tmp_path: Path) -> None:
    file = tmp_path / "siglip.safetensors"
    file.write_bytes(b"never read for the identity but by the hash")
    said = OpenClipEncoder(f"ViT-B-16-SigLIP/{file}").identity.preprocessing
    settings = json.loads(said.removeprefix("open_clip "))
    assert settings["resize_mode"] == "squash"
    assert settings["mean"] == settings["std"] == [0.5, 0.5, 0.5]
    assert settings["size"] == [224, 224]


@pytest.mark.usefixtures("no_network")
def test_identity_and_preparation_build_no_model(
    tiny_models: TinyModels, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the model was built")

    monkeypatch.setattr(open_clip, "create_model", refuse)
    encoder = OpenClipEncoder(f"tiny-vit/{tiny_models.open_clip_pickle}")
    identity = encoder.identity
    assert (identity.semantic_dimension, identity.visual_dimension) == (12, 24)
    assert encoder.side_pixels == SIDE
    assert encoder.prepare(images[0]).shape == (3, SIDE, SIDE)


@pytest.mark.usefixtures("no_network")
def test_the_fingerprint_follows_the_weights_and_not_the_folder(
    tiny_models: TinyModels, tmp_path: Path
) -> None:
    original = tiny_models.open_clip["tiny-vit"]
    moved = tmp_path / "elsewhere" / original.name
    moved.parent.mkdir()
    shutil.copy(original, moved)
    fingerprint = OpenClipEncoder(f"tiny-vit/{original}").identity.fingerprint
    assert OpenClipEncoder(f"tiny-vit/{moved}").identity.fingerprint == fingerprint
    state = load_file(moved)
    state["ln_final.bias"][0] += 1e-3
    save_file(state, moved)
    assert OpenClipEncoder(f"tiny-vit/{moved}").identity.fingerprint != fingerprint


@pytest.mark.usefixtures("no_network")
def test_the_same_weights_under_another_activation_are_another_encoder(
    tiny_models: TinyModels,
) -> None:
    weights = tiny_models.open_clip["tiny-vit"]
    plain, quick = (OpenClipEncoder(f"{a}/{weights}") for a in ("tiny-vit", "tiny-vit-quickgelu"))
    assert plain.identity.fingerprint != quick.identity.fingerprint
    assert np.abs(plain.encode_texts(["a cat"]) - quick.encode_texts(["a cat"])).max() > 1e-4


@pytest.fixture
def cached_tag(
    tiny_models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreachable: list[str]
) -> str:
    """A tag of open_clip, QuickGELU and squashed, as the cache keeps it after a download."""
    tag = {"hf_hub": "someone/tiny/", "quick_gelu": True, "resize_mode": "squash"}
    monkeypatch.setitem(_PRETRAINED, "tiny-vit", {"photographs": tag})
    repository = tmp_path / "hub" / "models--someone--tiny"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    weights = tiny_models.open_clip["tiny-vit"]
    shutil.copy(weights, snapshot / "open_clip_model.safetensors")
    return "tiny-vit/photographs"


@pytest.mark.usefixtures("no_network")
def test_a_cached_tag_needs_no_network_and_brings_its_activation(
    cached_tag: str, tiny_models: TinyModels
) -> None:
    encoder = OpenClipEncoder(cached_tag)
    model = library_model("tiny-vit", tiny_models.open_clip["tiny-vit"], force_quick_gelu=True)
    with torch.inference_mode():
        expected = model.encode_text(open_clip.tokenize(["a cat"]))
    np.testing.assert_allclose(encoder.encode_texts(["a cat"]), unit(expected), atol=1e-5)
    assert '"resize_mode": "squash"' in encoder.identity.preprocessing
    assert encoder.identity.name == "open_clip:tiny-vit/photographs"
    assert encoder.identity.licence == "see https://huggingface.co/someone/tiny"


@pytest.mark.usefixtures("offline")
def test_an_absent_tag_offline_says_where_it_looked(tmp_path: Path) -> None:
    line = error_line("ViT-B-32/laion2b_s34b_b79k")
    assert "'laion/CLIP-ViT-B-32-laion2B-s34B-b79K' is not in the cache" in line
    assert str(tmp_path / "hub") in line
    assert "HF_HUB_OFFLINE=0" in line


@pytest.mark.usefixtures("unreachable")
def test_an_absent_tag_without_a_network_says_what_to_do() -> None:
    line = error_line("ViT-B-32/laion2b_s34b_b79k")
    assert "could not be downloaded" in line
    assert "give a local path" in line


@pytest.mark.usefixtures("offline")
def test_a_tag_that_only_has_a_url_says_where_it_looked(
    tiny_models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    tag = {"url": "https://example.org/weights/photographs.pt"}
    monkeypatch.setitem(_PRETRAINED, "tiny-vit", {"photographs": tag})
    line = error_line("tiny-vit/photographs")
    assert f"'tiny-vit/photographs' are not in {tmp_path / '.cache' / 'clip'}" in line
    assert "HF_HUB_OFFLINE=0" in line


def test_an_unknown_architecture_names_close_ones() -> None:
    assert "did you mean ViT-B-32" in error_line("ViT-B-23/openai")


def test_an_unknown_tag_names_close_ones() -> None:
    line = error_line("ViT-B-32/laion2b_s34b_b79")
    assert "is neither a pretrained tag of open_clip's ViT-B-32 nor a file at" in line
    assert "did you mean laion2b_s34b_b79k" in line


def test_no_tag_at_all_lists_the_known_ones(tiny_models: TinyModels) -> None:
    assert "known tags are none; give a tag or an existing path" in error_line("tiny-vit")


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_a_corrupt_file_is_named(suffix: str, tmp_path: Path, tiny_models: TinyModels) -> None:
    file = tmp_path / f"weights.{suffix}"
    file.write_bytes(b"\x00\x01 these are no weights")
    line = error_line(f"tiny-vit/{file}")
    assert f"cannot be loaded from {file}" in line
    assert "check that the file is whole" in line


def test_weights_of_another_architecture_are_refused(tiny_models: TinyModels) -> None:
    line = error_line(f"tiny-vit/{tiny_models.open_clip['tiny-resnet']}")
    assert "fits the architecture" in line


class Trap:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.file,)


def test_a_pickle_with_code_is_refused_unrun(tmp_path: Path, tiny_models: TinyModels) -> None:
    touched, file = tmp_path / "touched", tmp_path / "trap.pt"
    torch.save({"state_dict": Trap(touched)}, file)
    pickle.loads(pickle.dumps(Trap(tmp_path / "the trap works")))
    assert (tmp_path / "the trap works").exists()
    assert "cannot be loaded" in error_line(f"tiny-vit/{file}")
    assert not touched.exists()


def test_a_folder_without_a_text_tower_is_unsuitable(tmp_path: Path) -> None:
    said = {"model_cfg": {"embed_dim": 4, "vision_cfg": {"width": 8}}, "preprocess_cfg": {}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(said))
    with pytest.raises(UnsuitableModelError, match="has no text tower"):
        _ = OpenClipEncoder(str(tmp_path)).identity


def test_a_folder_without_a_config_says_what_is_missing(tmp_path: Path) -> None:
    assert "give a folder with open_clip_config.json" in error_line(str(tmp_path))


def test_a_folder_with_two_models_asks_which(tmp_path: Path, tiny_models: TinyModels) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        shutil.copy(tiny_models.open_clip["tiny-vit"], tmp_path / name)
    assert "has 2 files of weights, and one is needed" in error_line(f"tiny-vit/{tmp_path}")


def test_a_device_that_is_not_here_is_named(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECTRUM_DEVICE", "toaster")
    line = error_line(f"tiny-vit/{tiny_models.open_clip['tiny-vit']}")
    assert line.startswith("SPECTRUM_DEVICE='toaster' is no device of this machine")


def test_loading_leaves_the_user_s_log_alone(
    tiny_models: TinyModels, caplog: pytest.LogCaptureFixture
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.filters[:], root.level
    OpenClipEncoder(f"tiny-vit/{tiny_models.open_clip['tiny-vit']}").encode_texts(["a cat"])
    assert (root.handlers, root.filters, root.level) == before
    assert caplog.records == []


def test_importing_the_encoders_imports_no_heavy_library() -> None:
    program = (
        "import sys, spectrum.encoders.openclip, spectrum.encoders.huggingface;"
        "print(sorted({'torch', 'open_clip', 'transformers', 'PIL', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
