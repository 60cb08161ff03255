"""An image network in a TFLite file as a teacher: what it sees, and no words.

tflite:FILE           the network's output
tflite:FILE#TENSOR    an inner tensor by its number, such as the pooled features
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from spectrum.encoders import (
    EncodedImages,
    EncoderIdentity,
    ModelUnavailableError,
    Pixels,
    RgbImage,
    UnsuitableModelError,
)
from spectrum.encoders.files import first_line, weights_hash

FAMILY = "tflite"


class TfliteTeacher:
    """The unit vectors of one tensor, its places averaged where it is a grid.

    For networks that take 8-bit images of a fixed size, batch 1. Has no texts: `encode_texts`
    raises UnsuitableModelError. Needs the package ai-edge-litert. Raises ModelUnavailableError
    where that, the file or the tensor is absent.
    """

    visual_weight = 0.0

    def __init__(self, model: str) -> None:
        file, _, tensor = model.partition("#")
        self._file = Path(file).expanduser().absolute()
        if tensor and not tensor.isdecimal():
            raise ModelUnavailableError(
                f"'{FAMILY}:{model}': '{tensor}' is no tensor's number: write FILE#169"
            )
        self._lock = threading.Lock()
        self._interpreter = self._opened(keep_all=bool(tensor))
        entering = self._interpreter.get_input_details()[0]
        self._entering = int(entering["index"])
        self.side_pixels = self._side(entering)
        self._leaving = self._tensor(int(tensor) if tensor else None)
        width = self._features(np.zeros((self.side_pixels,) * 2 + (3,), dtype=np.uint8)).size
        self.identity = EncoderIdentity(
            name=f"{FAMILY}:{self._file}" + (f"#{tensor}" if tensor else ""),
            weights_hash=weights_hash([self._file], configuration=f"tensor={tensor}"),
            preprocessing=f"whole frame squashed to {self.side_pixels} pixels square, bilinear",
            semantic_dimension=width,
            visual_dimension=0,
            licence=f"not stated: see where {self._file.name} came from",
        )

    def _opened(self, *, keep_all: bool) -> Any:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError:
            raise ModelUnavailableError(
                f"{FAMILY}: models are read by the package ai-edge-litert, which is not installed:"
                " pip install ai-edge-litert"
            ) from None
        if not self._file.is_file():
            raise ModelUnavailableError(f"{self._file}: no such file; give a .tflite file")
        try:
            # The default delegate is quicker, and keeps no inner tensor.
            plain = {
                "experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            }
            interpreter = Interpreter(
                str(self._file),
                experimental_preserve_all_tensors=keep_all,
                num_threads=1,
                **(plain if keep_all else {}),
            )
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelUnavailableError(
                f"{self._file}: not a readable TFLite model ({first_line(error)}); get it again"
            ) from None
        return interpreter

    def _side(self, entering: dict[str, Any]) -> int:
        shape = [int(side) for side in entering["shape"]]
        plain = len(shape) == 4 and shape[0] == 1 and shape[1] == shape[2] and shape[3] == 3
        if not plain or entering["dtype"] is not np.uint8:
            raise UnsuitableModelError(
                f"{self._file}: takes {entering['dtype'].__name__} of shape {shape}: choose a"
                " network that takes one square 8-bit RGB image"
            )
        return shape[1]

    def _tensor(self, number: int | None) -> dict[str, Any]:
        if number is None:
            return dict(self._interpreter.get_output_details()[0])
        for detail in self._interpreter.get_tensor_details():
            if detail["index"] == number:
                return dict(detail)
        raise ModelUnavailableError(f"{self._file}: has no tensor {number}; give another number")

    def _features(self, pixels: UInt8[np.ndarray, "side side 3"]) -> Float32[np.ndarray, " S"]:
        with self._lock:
            self._interpreter.set_tensor(self._entering, pixels[None])
            self._interpreter.invoke()
            raw = self._interpreter.get_tensor(self._leaving["index"]).astype(np.float32)
        quantised = self._leaving["quantization_parameters"]
        if len(quantised["scales"]) == 1:
            # q -> scale (q - zero point): Jacob et al., CVPR 2018, eq. 1
            raw = (raw - quantised["zero_points"][0]) * quantised["scales"][0]
        places = raw.reshape(-1, raw.shape[-1])
        return np.asarray(places.mean(axis=0), dtype=np.float32)

    def prepare(self, image: RgbImage) -> UInt8[np.ndarray, "side side 3"]:
        """The whole frame squashed to a square."""
        from PIL import Image

        size = (self.side_pixels, self.side_pixels)
        whole = Image.fromarray(np.ascontiguousarray(image))
        return np.asarray(whole.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        """The unit vectors; neither visual vectors nor tokens."""
        made = np.empty((len(pixels), self.identity.semantic_dimension), dtype=np.float32)
        for row, image in enumerate(pixels):
            made[row] = self._features(image)
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        return EncodedImages(
            semantic=made / np.maximum(lengths, 1e-12),
            visual=np.empty((len(pixels), 0), dtype=np.float32),
            tokens=None,
        )

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        """Raises UnsuitableModelError: there is no text tower."""
        raise UnsuitableModelError(f"{self.identity.name} reads no texts: it only sees images")
