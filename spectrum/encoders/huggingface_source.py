"""Where a transformers model comes from: its files and dimensions, nothing built."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spectrum.encoders.files import first_line, hub_file, hub_folder
from spectrum.encoders.protocol import ModelUnavailableError, UnsuitableModelError

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""In the order in which transformers takes them; either may be split and have an index."""
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
_WORDLESS_KEYS = ("processor_class", "auto_map", "feature_extractor_type", "_processor_class")
"""Keys of a preprocessing file that change no pixel."""


@dataclass(frozen=True, kw_only=True)
class HuggingFaceSource:
    """The parts of one model, found."""

    name: str
    """What loads it again after `hf:`; a local path is absolute."""
    folder: Path
    weights: tuple[Path, ...]
    companions: tuple[Path, ...]
    """Further files that decide a vector: the model's config and its tokenizer."""
    preprocessing: dict[str, Any]
    """The image processor's own settings."""
    semantic_dimension: int
    visual_dimension: int
    """Width of the pooled feature before the projection; 0 where there is no projection."""
    side_pixels: int
    licence: str


def find_source(model: str) -> HuggingFaceSource:
    """Finds the parts of `model`, the name after `hf:`; downloads them if it must.

    Raises ModelUnavailableError if a part is missing, UnsuitableModelError if the config is of no
    encoder of both images and texts.
    """
    path = Path(model).expanduser()
    is_local = path.is_dir()
    if not is_local and model.startswith(("/", "./", "../", "~")):
        raise ModelUnavailableError(
            f"model folder {path.absolute()} does not exist: give the folder that save_pretrained"
            " wrote, or the id of a model on huggingface.co"
        )
    folder = path.absolute() if is_local else _downloaded(model)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        _require_both_towers(model, config)
        semantic, visual, image_size = _dimensions(model, config, folder)
        preprocessing = _preprocessing(folder)
        sides = [_side(preprocessing.get(key)) for key in ("size", "crop_size")]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailableError(
            f"{folder} is no model of transformers ({first_line(error)}): give the folder that"
            " save_pretrained wrote for the model and its processor"
        ) from None
    return HuggingFaceSource(
        name=str(folder) if is_local else model,
        folder=folder,
        weights=_weight_files(folder),
        companions=tuple(
            folder / name
            for name in ("config.json", *_TOKENIZER_FILES)
            if (folder / name).is_file()
        ),
        preprocessing=preprocessing,
        semantic_dimension=semantic,
        visual_dimension=visual,
        side_pixels=max(sides) or image_size,
        licence=_licence(folder),
    )


def _downloaded(repository: str) -> Path:
    folder = hub_folder(
        repository,
        # Not *.safetensors: repositories keep the same weights at other precisions beside these.
        ["*.json", "*.txt", "spiece.model", "tokenizer.model", "*.bpe.model", "README.md"]
        + ["model.safetensors", "model-*-of-*.safetensors"],
        is_complete=_is_complete,
    )
    if not _find_weights(folder):
        hub_file(repository, _WEIGHTS[1:])
    return folder


def _is_complete(folder: Path) -> bool:
    processors = ("preprocessor_config.json", "processor_config.json")
    return (
        (folder / "config.json").is_file()
        and any((folder / name).is_file() for name in processors)
        and any((folder / name).is_file() for name in _TOKENIZER_FILES)
        and bool(_find_weights(folder))
    )


def _find_weights(folder: Path) -> tuple[Path, ...]:
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return (folder / name,)
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            files = tuple(folder / part for part in sorted(set(parts)))
            if all(file.is_file() for file in files):
                return files
    return ()


def _weight_files(folder: Path) -> tuple[Path, ...]:
    files = _find_weights(folder)
    if not files:
        raise ModelUnavailableError(
            f"{folder} has no whole {' or '.join(_WEIGHTS)}: fetch the model's weights into it"
        )
    return files


def _require_both_towers(model: str, config: dict[str, Any]) -> None:
    for tower in ("text", "vision"):
        keys = (f"{tower}_config", f"{tower}_config_dict")
        if not any(isinstance(config.get(key), dict) for key in keys):
            raise UnsuitableModelError(
                f"model 'hf:{model}' ({config.get('model_type', 'unknown type')}) has no {tower}"
                " tower: choose one that encodes both images and texts, of the CLIP or SigLIP"
                " family"
            )
    if config.get("model_type") == "siglip2":
        raise UnsuitableModelError(
            f"model 'hf:{model}' is a NaFlex model, whose inputs differ in shape: choose a fixed"
            " size, such as google/siglip2-base-patch16-224"
        )


def _dimensions(model: str, config: dict[str, Any], folder: Path) -> tuple[int, int, int]:
    """Semantic and visual dimension, and the side in pixels, of a config."""
    vision = config.get("vision_config", {})
    has_projection = config.get("model_type") != "siglip"
    if not {"hidden_size", "image_size"} <= vision.keys() or (
        has_projection and "projection_dim" not in config
    ):
        # Files leave defaults out, and only transformers knows them; it imports torch to tell.
        from transformers import AutoConfig

        full = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config = full.to_dict()
        vision = config["vision_config"]
    if not has_projection:
        return vision["hidden_size"], 0, vision["image_size"]
    if "projection_dim" not in config:
        raise UnsuitableModelError(
            f"model 'hf:{model}' ({config.get('model_type')}) has no space that images and texts"
            " share: choose one of the CLIP or SigLIP family"
        )
    return config["projection_dim"], vision["hidden_size"], vision["image_size"]


def _preprocessing(folder: Path) -> dict[str, Any]:
    """The image processor's settings, in either of the two files that transformers writes."""
    settings: dict[str, Any] | None = None
    nested = folder / "processor_config.json"
    if nested.is_file():
        settings = json.loads(nested.read_text(encoding="utf-8")).get("image_processor")
    if settings is None:
        own = folder / "preprocessor_config.json"
        settings = json.loads(own.read_text(encoding="utf-8"))
    return {key: value for key, value in settings.items() if key not in _WORDLESS_KEYS}


def _side(size: Any) -> int:
    """The longest side in a processor's size, which is an int or a table; 0 where it names none."""
    sides = size.values() if isinstance(size, dict) else [size]
    return max((side for side in sides if isinstance(side, int)), default=0)


def _licence(folder: Path) -> str:
    from huggingface_hub import metadata_load

    unknown = f"not stated: see where {folder.name} came from"
    card = folder / "README.md"
    if not card.is_file():
        return unknown
    try:
        licence = (metadata_load(card) or {}).get("license")
    # A card is written by hand, and what a slip in its YAML raises is no contract of any library.
    except Exception:
        return unknown
    return licence if isinstance(licence, str) else unknown
