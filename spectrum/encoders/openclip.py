"""Any open_clip model as an encoder, by pretrained tag or from local files.

ARCH/TAG              ViT-B-32/laion2b_s34b_b79k    downloaded once, then read from the cache
ARCH/PATH             ViT-B-32/./model.safetensors  a weights file, or a folder that has one
DIR, local-dir:DIR    ./model                       a folder with open_clip_config.json
hf-hub:ORG/NAME                                     such a folder on huggingface.co
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from spectrum.encoders.device import torch_device, wanted_device
from spectrum.encoders.files import first_line, weights_hash
from spectrum.encoders.openclip_source import OpenClipSource, find_source
from spectrum.encoders.protocol import (
    EncodedImages,
    EncoderIdentity,
    ModelUnavailableError,
    Pixels,
    RgbImage,
)

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class _Towers:
    """A model on its device, its image projection taken off so that both sides can be read."""

    model: Any
    project: Callable[["torch.Tensor"], "torch.Tensor"] | None
    """Pooled feature B V to semantic vector B S; None where the tower pools and projects in one."""
    tokenize: Callable[[list[str]], "torch.Tensor"]
    device: "torch.device"


class OpenClipEncoder:
    """Encoder on an open_clip model; the module's docstring lists the names.

    The semantic vector is the joint projection; the visual vector is the pooled feature before it.
    The device is SPECTRUM_DEVICE as it is when the encoder is made, else CUDA where there is one.

    Every property and method may raise ModelUnavailableError: nothing is looked up before.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._device = wanted_device()
        self._lock = threading.RLock()
        self._found: OpenClipSource | None = None
        self._identity: EncoderIdentity | None = None
        self._transform: Callable[[Any], Any] | None = None
        self._loaded: _Towers | None = None

    @property
    def identity(self) -> EncoderIdentity:
        with self._lock:
            if self._identity is None:
                self._identity = _identity(self._source())
            return self._identity

    @property
    def side_pixels(self) -> int:
        return max(self._source().size_pixels)

    @property
    def visual_weight(self) -> float:
        # Not fitted: an even share, until somebody measures these models on a validation set.
        return 0.5 if self.identity.visual_dimension else 0.0

    def prepare(self, image: RgbImage) -> Pixels:
        from PIL import Image

        with self._lock:
            if self._transform is None:
                self._transform = _transform(self._source())
        prepared: Pixels = self._transform(Image.fromarray(image)).numpy()
        return prepared

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        import torch

        if not pixels:
            return EncodedImages(*self._empty(), None)
        towers = self._towers()
        visual = towers.model.visual
        with torch.inference_mode():
            batch = torch.from_numpy(np.stack(pixels)).to(towers.device)
            if tokens:
                found = visual.forward_intermediates(
                    batch,
                    indices=1,
                    # An attention pool has its norm after it, at another width than the tokens.
                    normalize_intermediates=getattr(visual, "attn_pool", None) is None,
                    output_fmt="NCHW",
                )
                pooled, grid = found["image_features"], found["image_intermediates"][-1]
            else:
                pooled, grid = visual(batch), None
            semantic = pooled if towers.project is None else towers.project(pooled)
            return EncodedImages(
                _unit(semantic),
                self._empty(len(pixels))[1] if towers.project is None else _unit(pooled),
                None if grid is None else grid.permute(0, 2, 3, 1).float().cpu().numpy(),
            )

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        import torch

        if not texts:
            return self._empty()[0]
        towers = self._towers()
        with torch.inference_mode():
            ids = towers.tokenize(list(texts)).to(towers.device)
            return _unit(towers.model.encode_text(ids))

    def _source(self) -> OpenClipSource:
        with self._lock:
            if self._found is None:
                self._found = find_source(self._model)
            return self._found

    def _towers(self) -> _Towers:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(
                    self._source(), self._device, has_visual=self.identity.visual_dimension > 0
                )
            return self._loaded

    def _empty(self, rows: int = 0) -> tuple[np.ndarray, np.ndarray]:
        widths = self.identity.semantic_dimension, self.identity.visual_dimension
        return np.zeros((rows, widths[0]), np.float32), np.zeros((rows, widths[1]), np.float32)


def _identity(source: OpenClipSource) -> EncoderIdentity:
    configuration = json.dumps(
        {"architecture": source.architecture, "quick_gelu": source.quick_gelu}, sort_keys=True
    )
    return EncoderIdentity(
        name=f"open_clip:{source.name}",
        weights_hash=weights_hash([source.weights], configuration=configuration),
        preprocessing=f"open_clip {json.dumps(source.preprocessing, sort_keys=True)}",
        semantic_dimension=source.semantic_dimension,
        visual_dimension=source.visual_dimension,
        licence=source.licence,
    )


def _transform(source: OpenClipSource) -> Callable[[Any], Any]:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    settings = {**source.preprocessing, "size": source.size_pixels}
    transform: Callable[[Any], Any] = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    return transform


def _load(source: OpenClipSource, device_name: str, *, has_visual: bool) -> _Towers:
    import open_clip

    device = torch_device(device_name)
    try:
        with _quiet_open_clip():
            model = open_clip.create_model(
                source.builder_name,
                load_weights=False,
                force_quick_gelu=source.quick_gelu,
                pretrained_image=False,
                pretrained_text=False,
            )
            tokenize = open_clip.get_tokenizer(source.builder_name)
            open_clip.load_checkpoint(model, str(source.weights), weights_only=True)
        model = model.eval().to(device)
    # Whatever a file that is no checkpoint makes of three parsers, the user is told one thing.
    except Exception as error:
        raise ModelUnavailableError(
            f"model 'open_clip:{source.name}' cannot be loaded from {source.weights}"
            f" ({first_line(error)}): check that the file is whole and fits the architecture"
        ) from None
    if hasattr(model.visual, "output_tokens"):
        model.visual.output_tokens = False
    project = _take_projection(model.visual) if has_visual else None
    return _Towers(model=model, project=project, tokenize=tokenize, device=device)


def _take_projection(visual: Any) -> Callable[["torch.Tensor"], "torch.Tensor"]:
    """Removes the last linear map from an image tower, and returns it."""
    if hasattr(visual, "trunk"):
        last: Callable[[torch.Tensor], torch.Tensor] = visual.head[-1]
        visual.head = visual.head[:-1]
        return last
    matrix = visual.proj
    visual.proj = None
    return lambda pooled: pooled @ matrix


def _unit(vectors: "torch.Tensor") -> Float32[np.ndarray, "B D"]:
    import torch

    unit: np.ndarray = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return unit


@contextmanager
def _quiet_open_clip() -> Iterator[None]:
    """Keeps open_clip's calls of the root logger from reaching, or configuring, the user's log.

    It reports there that a model without weights is random, which here the next line mends.
    """
    root, placeholder = logging.getLogger(), logging.NullHandler()
    root.addFilter(_is_not_of_open_clip)
    root.addHandler(placeholder)  # logging.info installs a handler of its own where it finds none
    try:
        yield
    finally:
        root.removeHandler(placeholder)
        root.removeFilter(_is_not_of_open_clip)


def _is_not_of_open_clip(record: logging.LogRecord) -> bool:
    return "open_clip" not in record.pathname
