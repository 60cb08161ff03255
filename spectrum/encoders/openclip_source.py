"""Where an open_clip model comes from: architecture, preprocessing and weights, nothing built."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectrum.encoders.files import first_line, hub_file, hub_folder
from spectrum.encoders.protocol import ModelUnavailableError, UnsuitableModelError

_CONFIG = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""open_clip's own names, the first preferred."""
_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")


@dataclass(frozen=True, kw_only=True)
class OpenClipSource:
    """The parts of one model, found."""

    name: str
    """What loads it again after `open_clip:`; local paths absolute."""
    builder_name: str
    """What `open_clip.create_model` knows the architecture by."""
    architecture: dict[str, Any]
    """open_clip's `model_cfg`."""
    preprocessing: dict[str, Any]
    """open_clip's `PreprocessCfg`, every field; size in pixels, height before width."""
    weights: Path
    quick_gelu: bool
    """The weights were trained with QuickGELU, whatever the architecture says."""
    licence: str

    @property
    def size_pixels(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        height, width = self.preprocessing["size"]
        return height, width

    @property
    def semantic_dimension(self) -> int:
        width: int = self.architecture["embed_dim"]
        return width

    @property
    def visual_dimension(self) -> int:
        """Width of the pooled feature before the projection; 0 where a tower has no such point."""
        vision = self.architecture["vision_cfg"]
        if vision.get("timm_model_name"):
            if vision.get("timm_proj", "linear") not in ("linear", "mlp"):
                return 0
            return _projection_input_width(self.weights)
        if isinstance(vision.get("layers", 12), list):
            return 0  # the attention pool of CLIP's ResNets projects as it pools
        if vision.get("attentional_pool"):
            return self.semantic_dimension
        width: int = vision.get("width", 768)
        return width


def find_source(model: str) -> OpenClipSource:
    """Finds the parts of `model`, the name after `open_clip:`; downloads weights if it must.

    Raises ModelUnavailableError if a part is missing, UnsuitableModelError without a text tower.
    """
    if model.startswith("hf-hub:"):
        repository = model.removeprefix("hf-hub:")
        folder = hub_folder(
            repository,
            ["*.json", "*.txt", "*.model", *_WEIGHTS[:1]],
            is_complete=lambda folder: (folder / _CONFIG).is_file() and _has_weights(folder),
        )
        if not _has_weights(folder):
            hub_file(repository, _WEIGHTS)
        return _from_folder(folder, name=model, licence=f"see https://huggingface.co/{repository}")
    if model.startswith(("/", "./", "../", "~", "local-dir:")):
        return _from_folder(Path(model.removeprefix("local-dir:")))
    architecture, _, weights = model.partition("/")
    path = Path(weights).expanduser()
    if weights and (path / _CONFIG).is_file():
        return _from_folder(path)
    return _from_architecture(architecture, weights)


def _from_folder(folder: Path, *, name: str = "", licence: str = "") -> OpenClipSource:
    folder = folder.expanduser().absolute()
    try:
        said = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        architecture, preprocessing = said["model_cfg"], said.get("preprocess_cfg", {})
        _require_both_towers(str(folder), architecture)
        return OpenClipSource(
            name=name or f"local-dir:{folder}",
            builder_name=f"local-dir:{folder}",
            architecture=architecture,
            preprocessing=_preprocessing(architecture, preprocessing),
            weights=_weights_in(folder),
            quick_gelu=False,
            licence=licence or f"not stated: see where {folder.name} came from",
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailableError(
            f"{folder} is no open_clip model ({first_line(error)}): give a folder with {_CONFIG}"
            " and weights, as open_clip's save_for_hf writes it"
        ) from None


def _from_architecture(name: str, weights: str) -> OpenClipSource:
    import open_clip

    architecture = open_clip.get_model_config(name)
    if architecture is None:
        close = _close_matches(name, open_clip.list_models())
        raise ModelUnavailableError(
            f"open_clip has no architecture '{name}':{close} give ARCH/PRETRAINED_OR_PATH"
        )
    _require_both_towers(name, architecture)
    tag = open_clip.get_pretrained_cfg(name, weights)
    if tag:
        settings, file = tag, _tag_file(name, weights, tag)
        repository = tag.get("hf_hub", "").rpartition("/")[0]
        licence = f"see {f'https://huggingface.co/{repository}' if repository else tag['url']}"
    else:
        settings, file = _usual_preprocessing(name), _local_file(name, weights)
        licence = f"not stated: see where {file.name} came from"
    return OpenClipSource(
        name=f"{name}/{weights if tag else file}",
        builder_name=name,
        architecture=architecture,
        preprocessing=_preprocessing(architecture, settings),
        weights=file,
        quick_gelu=bool(tag.get("quick_gelu", False)),
        licence=licence,
    )


def _require_both_towers(name: str, architecture: dict[str, Any]) -> None:
    for tower, key in (("text", "text_cfg"), ("image", "vision_cfg")):
        if not architecture.get(key):
            raise UnsuitableModelError(
                f"open_clip model '{name}' has no {tower} tower: choose one that encodes both"
                " images and texts"
            )


def _tag_file(name: str, tag: str, settings: dict[str, Any]) -> Path:
    import open_clip
    from huggingface_hub import constants

    repository, _, file = settings.get("hf_hub", "").rpartition("/")
    if repository:
        safe = [f"{Path(file).stem}.safetensors"] if file.endswith((".bin", ".pth")) else []
        return hub_file(repository, [*safe, file] if file else _WEIGHTS)
    # Tags without a repository are fetched from a plain URL into this folder of open_clip's.
    cached = Path("~/.cache/clip").expanduser() / Path(settings["url"]).name
    if cached.is_file():
        return cached
    if constants.HF_HUB_OFFLINE:
        raise ModelUnavailableError(
            f"open_clip weights '{name}/{tag}' are not in {cached.parent} and HF_HUB_OFFLINE"
            " forbids a download: set HF_HUB_OFFLINE=0 for one run, or give a local path"
        )
    try:
        return Path(open_clip.download_pretrained(settings))
    except Exception as error:
        raise ModelUnavailableError(
            f"open_clip weights '{name}/{tag}' could not be downloaded from {settings['url']}"
            f" ({first_line(error)}): connect to the network for one run, or give a local path"
        ) from None


def _local_file(name: str, weights: str) -> Path:
    from open_clip.pretrained import list_pretrained_tags_by_model

    path = Path(weights).expanduser().absolute()
    if weights and path.is_file():
        return path
    if weights and path.is_dir():
        return _weights_in(path)
    tags = list_pretrained_tags_by_model(name)
    known = _close_matches(weights, tags) or f" known tags are {', '.join(tags) or 'none'};"
    raise ModelUnavailableError(
        f"'{weights}' is neither a pretrained tag of open_clip's {name} nor a file at {path}:"
        f"{known} give a tag or an existing path"
    )


def _has_weights(folder: Path) -> bool:
    return any(file.suffix in _SUFFIXES for file in folder.iterdir())


def _weights_in(folder: Path) -> Path:
    files = [file for file in sorted(folder.iterdir()) if file.suffix in _SUFFIXES]
    for name in _WEIGHTS:
        if folder / name in files:
            return folder / name
    safe = [file for file in files if file.suffix == ".safetensors"]
    candidates = safe or files
    if len(candidates) != 1:
        raise ModelUnavailableError(
            f"{folder} has {len(candidates)} files of weights, and one is needed:"
            f" name it in place of the folder, or call it {_WEIGHTS[0]}"
        )
    return candidates[0]


def _preprocessing(architecture: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    merged: dict[str, Any] = merge_preprocess_dict(PreprocessCfg(), settings)
    size = architecture["vision_cfg"].get("image_size", 224)
    merged["size"] = list(size) if isinstance(size, Sequence) else [size, size]
    for key in ("mean", "std"):
        merged[key] = list(merged[key])
    return merged


def _usual_preprocessing(name: str) -> dict[str, Any]:
    """What all pretrained weights of an architecture agree on; nothing where they do not.

    open_clip keeps the preprocessing with the tag, and would give a local file of SigLIP weights
    the mean and the crop of CLIP.
    """
    import open_clip
    from open_clip.pretrained import list_pretrained_tags_by_model

    keys = ("mean", "std", "interpolation", "resize_mode")
    tags = [open_clip.get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)]
    said = [{key: tag.get(key) for key in keys} for tag in tags]
    return said[0] if said and all(settings == said[0] for settings in said) else {}


def _close_matches(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f" did you mean {', '.join(close)}?" if close else ""


def _projection_input_width(weights: Path) -> int:
    """Input width of a timm tower's projection, from the weight file's table of shapes.

    timm knows the width only of a model that it has built; 0 if the file has no such layer.
    """
    shapes = _shapes(weights)
    for key in ("visual.head.proj.weight", "visual.head.mlp.fc1.weight"):
        for prefix in ("", "module."):
            if prefix + key in shapes:
                return shapes[prefix + key][1]
    return 0


def _shapes(weights: Path) -> dict[str, tuple[int, ...]]:
    try:
        if weights.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(weights, framework="numpy") as file:
                keys = list(file.keys())
                return {key: tuple(file.get_slice(key).get_shape()) for key in keys}
        import torch

        loaded = torch.load(weights, map_location="meta", weights_only=True)
        state = loaded.get("state_dict", loaded)
        return {key: tuple(tensor.shape) for key, tensor in state.items()}
    except Exception as error:
        raise ModelUnavailableError(
            f"{weights} is no whole file of weights ({first_line(error)}): fetch it again"
        ) from None
