"""Any transformers model with an image and a text tower as an encoder: CLIP, SigLIP, their like.

DIR         ./model                          a folder that save_pretrained wrote
ORG/NAME    google/siglip-base-patch16-224   downloaded once, then read from the cache
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from spectrum.encoders.device import torch_device, wanted_device
from spectrum.encoders.files import first_line, weights_hash
from spectrum.encoders.huggingface_source import HuggingFaceSource, find_source
from spectrum.encoders.protocol import (
    EncodedImages,
    EncoderIdentity,
    ModelUnavailableError,
    Pixels,
    RgbImage,
    UnsuitableModelError,
)

if TYPE_CHECKING:
    import torch

_NORM_AFTER_POOLING = ("clip", "altclip", "chinese_clip", "clipseg", "metaclip_2")
"""Model types that leave the last hidden state before the norm that the pooled token gets."""


@dataclass(frozen=True, kw_only=True)
class _Towers:
    """A model on its device, with its tokenizer."""

    model: Any
    tokenizer: Any
    context_length: int
    """N, tokens of a text; longer texts are cut, shorter ones padded."""
    device: "torch.device"


class HuggingFaceEncoder:
    """Encoder on a transformers model; the module's docstring lists the names.

    The semantic vector is the joint projection; the visual vector is the pooled feature before it,
    and empty for models such as SigLIP that pool straight into the joint space. The device is
    SPECTRUM_DEVICE as it is when the encoder is made, else CUDA where there is one.

    Every property and method may raise ModelUnavailableError: nothing is looked up before.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._device = wanted_device()
        self._lock = threading.RLock()
        self._found: HuggingFaceSource | None = None
        self._identity: EncoderIdentity | None = None
        self._processor: Callable[..., Any] | None = None
        self._loaded: _Towers | None = None

    @property
    def identity(self) -> EncoderIdentity:
        with self._lock:
            if self._identity is None:
                self._identity = _identity(self._source())
            return self._identity

    @property
    def side_pixels(self) -> int:
        return self._source().side_pixels

    @property
    def visual_weight(self) -> float:
        # Not fitted: an even share, until somebody measures these models on a validation set.
        return 0.5 if self.identity.visual_dimension else 0.0

    def prepare(self, image: RgbImage) -> Pixels:
        from PIL import Image

        with self._lock:
            if self._processor is None:
                self._processor = _load_processor(self._source())
        batch = self._processor(images=Image.fromarray(image), return_tensors="np")
        return np.asarray(batch["pixel_values"][0], dtype=np.float32)

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        import torch

        if not pixels:
            return EncodedImages(*self._empty(), None)
        towers = self._towers()
        model = towers.model
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(pixels)).to(towers.device)
            # What get_image_features does, in two steps: the feature between them is wanted too.
            output = model.vision_model(pixel_values=batch)
            pooled = output.pooler_output
            grid = _token_grid(model, output.last_hidden_state, batch) if tokens else None
            if not self.identity.visual_dimension:
                return EncodedImages(_unit(pooled), self._empty(len(pixels))[1], grid)
            return EncodedImages(_unit(model.visual_projection(pooled)), _unit(pooled), grid)

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        import torch

        if not texts:
            return self._empty()[0]
        towers = self._towers()
        said = list(texts)
        is_siglip = towers.model.config.model_type.startswith("siglip")
        if is_siglip and type(towers.tokenizer).__name__.startswith("Gemma"):
            # SigLIP 2 was trained on lower case; its fixed-size checkpoints name Gemma's tokenizer.
            said = [text.lower() for text in said]
        ids = towers.tokenizer(
            said,
            padding="max_length",
            truncation=True,
            max_length=towers.context_length,
            return_tensors="pt",
        ).to(towers.device)
        # SigLIP was trained to read its padding; a mask would hide it.
        masks = {} if is_siglip else {"attention_mask": ids["attention_mask"]}
        with torch.inference_mode():
            features = towers.model.get_text_features(input_ids=ids["input_ids"], **masks)
            # transformers 4 returned the tensor, 5 returns an output object around it.
            return _unit(getattr(features, "pooler_output", features))

    def _source(self) -> HuggingFaceSource:
        with self._lock:
            if self._found is None:
                self._found = find_source(self._model)
            return self._found

    def _towers(self) -> _Towers:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._source(), self._device)
            return self._loaded

    def _empty(self, rows: int = 0) -> tuple[np.ndarray, np.ndarray]:
        widths = self.identity.semantic_dimension, self.identity.visual_dimension
        return np.zeros((rows, widths[0]), np.float32), np.zeros((rows, widths[1]), np.float32)


def _identity(source: HuggingFaceSource) -> EncoderIdentity:
    return EncoderIdentity(
        name=f"hf:{source.name}",
        weights_hash=weights_hash([*source.weights, *source.companions]),
        preprocessing=f"transformers pil {json.dumps(source.preprocessing, sort_keys=True)}",
        semantic_dimension=source.semantic_dimension,
        visual_dimension=source.visual_dimension,
        licence=source.licence,
    )


def _load_processor(source: HuggingFaceSource) -> Callable[..., Any]:
    import transformers

    auto: Any = transformers.AutoImageProcessor  # its constructors are not annotated
    try:
        with _quiet_transformers():
            # Pillow's resampling is what these models were trained and measured with, and the
            # choice must not hang on whether torchvision is installed.
            processor: Callable[..., Any] = auto.from_pretrained(
                source.folder, backend="pil", local_files_only=True, trust_remote_code=False
            )
    except (OSError, ValueError, ImportError, TypeError) as error:
        raise _cannot_load(source, error) from None
    return processor


def _load(source: HuggingFaceSource, device_name: str) -> _Towers:
    from transformers import AutoModel, AutoTokenizer

    device = torch_device(device_name)
    try:
        with _quiet_transformers():
            model, report = AutoModel.from_pretrained(
                source.folder,
                output_loading_info=True,
                use_safetensors=source.weights[0].suffix == ".safetensors",
                weights_only=True,
                local_files_only=True,
                trust_remote_code=False,
            )
            tokenizer = AutoTokenizer.from_pretrained(
                source.folder, local_files_only=True, trust_remote_code=False
            )
        model = model.eval().float().to(device)
    # Whatever a damaged file makes of three parsers, the user is told one thing.
    except Exception as error:
        raise _cannot_load(source, error) from None
    # transformers would fill what is missing with random numbers, and only log it.
    if report["missing_keys"]:
        raise ModelUnavailableError(
            f"model 'hf:{source.name}' lacks weights, such as {min(report['missing_keys'])},"
            f" in {source.folder}: fetch the whole model again"
        )
    _require_both_towers(source, model)
    positions = model.config.text_config.max_position_embeddings
    return _Towers(
        model=model,
        tokenizer=tokenizer,
        context_length=min(positions, tokenizer.model_max_length),
        device=device,
    )


def _require_both_towers(source: HuggingFaceSource, model: Any) -> None:
    needed = ["vision_model", "get_image_features", "get_text_features"]
    needed += ["visual_projection"] if source.visual_dimension else []
    missing = [name for name in needed if not hasattr(model, name)]
    if missing:
        raise UnsuitableModelError(
            f"model 'hf:{source.name}' is a {type(model).__name__} without {missing[0]}:"
            " choose one of the CLIP or SigLIP family"
        )


def _token_grid(model: Any, hidden: "torch.Tensor", batch: "torch.Tensor") -> np.ndarray:
    """Patch tokens B H W C of hidden states B N C, less the class token in front."""
    if model.config.model_type in _NORM_AFTER_POOLING:
        hidden = model.vision_model.post_layernorm(hidden)
    patch = model.config.vision_config.patch_size
    rows, columns = batch.shape[-2] // patch, batch.shape[-1] // patch
    extra = hidden.shape[1] - rows * columns
    if extra not in (0, 1):
        raise UnsuitableModelError(
            f"a {type(model).__name__} gives {hidden.shape[1]} tokens for {rows} x {columns}"
            " patches, which is no grid: ask for its vectors without tokens"
        )
    grid: np.ndarray = hidden[:, extra:].reshape(len(hidden), rows, columns, -1).cpu().numpy()
    return grid


def _cannot_load(source: HuggingFaceSource, error: Exception) -> ModelUnavailableError:
    return ModelUnavailableError(
        f"model 'hf:{source.name}' cannot be loaded from {source.folder} ({first_line(error)}):"
        " check that its files are whole, or fetch them again"
    )


def _unit(vectors: "torch.Tensor") -> Float32[np.ndarray, "B D"]:
    import torch

    unit: np.ndarray = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return unit


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keeps the loading bar and the advice of transformers off the user's terminal."""
    import transformers

    logging: Any = transformers.utils.logging  # not annotated
    verbosity, had_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bar:
            logging.enable_progress_bar()
