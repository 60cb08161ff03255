"""The encoder that ships with the package: a small image tower and a small text tower."""

import json
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, UInt8

from spectrum.encoders.frame import fitted_sides, resampled
from spectrum.encoders.protocol import (
    EncodedImages,
    EncoderIdentity,
    ModelUnavailableError,
    Pixels,
    RgbImage,
)
from spectrum.encoders.runtime import OnnxModel
from spectrum.encoders.spelling import letters_per_piece
from spectrum.encoders.weight_files import WeightFiles
from spectrum.shared_work import by_threads

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SHIPPED = Path(__file__).resolve().parent.parent / "weights"
TEXT_BATCH = 64
"""Texts of one length that are computed together; more gain nothing and take memory."""


class EmbeddedEncoder:
    """Photographs and texts to vectors, by ONNX Runtime, without torch and without a download.

    `model` is a folder that holds image_tower.onnx, text_tower.onnx, tokenizer.json and
    identity.json, or a `.spectrum` file of them; without it the package's own are used. `threads`
    limits the threads that one call computes on; 0 stands for as many as there are cores. Raises
    ModelUnavailableError where a file is absent or unreadable: identity.json at once, the others
    at the first encoding.
    """

    def __init__(self, model: str | None = None, *, threads: int = 0) -> None:
        self.folder = SHIPPED if model is None else Path(model).expanduser().absolute()
        # Absolute, since a library may be searched from another folder than it was built in.
        self._name = "embedded" if model is None else f"embedded:{self.folder}"
        self.files = WeightFiles(self.folder)
        self._said = self._read_identity()
        self._threads = threads or os.cpu_count() or 1
        self._image_tower = self._tower("image_tower.onnx", threads=1)
        self._text_tower = self._tower("text_tower.onnx", threads=threads)
        self._lock = threading.Lock()

    def _tower(self, name: str, *, threads: int) -> OnnxModel:
        files = self.files
        return OnnxModel(files.path(name), threads=threads, content=files.reader(name))

    def _read_identity(self) -> dict[str, Any]:
        path = self.files.path("identity.json")
        try:
            said = json.loads(self.files.content("identity.json"))
            # Asked for here, so that a half-written file is found now and not in a search.
            self._identity = EncoderIdentity(
                name=self._name,
                weights_hash=str(said["weights_hash"]),
                preprocessing=str(said["preprocessing"]),
                semantic_dimension=int(said["semantic_dimension"]),
                visual_dimension=int(said["visual_dimension"]),
                licence=str(said["licence"]),
            )
            self._side_pixels = int(said["side_pixels"])
            self._step_pixels = int(said["step_pixels"])
            self._visual_weight = float(said["visual_weight"])
            rows, columns, channels = said["token_grid"]
            self._grid = (int(rows), int(columns), int(channels))
        except OSError as error:
            raise ModelUnavailableError(
                f"{path}: {error.strerror}; an embedded encoder's folder holds identity.json"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelUnavailableError(
                f"{path}: not an encoder's identity ({error!r}); export the model again"
            ) from error
        return dict(said)

    @property
    def identity(self) -> EncoderIdentity:
        """What its vectors can be compared with."""
        return self._identity

    @property
    def side_pixels(self) -> int:
        """224: the side of the square that has as many pixels as the image tower sees."""
        return self._side_pixels

    @property
    def visual_weight(self) -> float:
        """The visual block's share in an image query, as fitted after training."""
        return self._visual_weight

    def prepare(self, image: RgbImage) -> UInt8[np.ndarray, "h w 3"]:
        """The whole frame, shrunk to about `side_pixels` squared pixels with its aspect kept.

        Raises ValueError for an image without pixels.
        """
        from PIL import Image

        if 0 in image.shape:
            raise ValueError(
                f"an image of {image.shape[1]} x {image.shape[0]} pixels shows nothing"
            )
        size = fitted_sides(image.shape[1], image.shape[0], self.side_pixels, self._step_pixels)
        # Shrinking by whole factors first is several times faster and changes no vector visibly.
        shrunk = Image.fromarray(np.ascontiguousarray(image)).resize(
            size, Image.Resampling.BILINEAR, reducing_gap=2.0
        )
        return np.asarray(shrunk)

    def encode_images(self, pixels: Sequence[Pixels], *, tokens: bool = False) -> EncodedImages:
        """Semantic and visual vectors of prepared images, and the grid of tokens if asked for.

        Each image alone, on one thread, and as many at once as there are threads: faster than
        batches or than several threads for one image, and no vector can then depend on its
        companions. The grid has the same places for all shapes of images: it is interpolated.
        """
        if not pixels:
            return self._nothing(tokens=tokens)
        names = ["semantic", "visual", *(["tokens"] if tokens else [])]
        made = by_threads(
            lambda image: self._image_tower.run(names, image[None]), pixels, self._threads
        )
        semantic, visual, *grids = zip(*made, strict=True)
        rows, columns, _ = self._grid
        return EncodedImages(
            semantic=np.concatenate(semantic),
            visual=np.concatenate(visual),
            tokens=np.stack([resampled(grid[0], rows, columns) for grid in grids[0]])
            if tokens
            else None,
        )

    def _nothing(self, *, tokens: bool) -> EncodedImages:
        rows, columns, channels = self._grid
        return EncodedImages(
            semantic=np.empty((0, self.identity.semantic_dimension), dtype=np.float32),
            visual=np.empty((0, self.identity.visual_dimension), dtype=np.float32),
            tokens=np.empty((0, rows, columns, channels), dtype=np.float32) if tokens else None,
        )

    def encode_texts(self, texts: Sequence[str]) -> Float32[np.ndarray, "B S"]:
        """Semantic vectors of texts. Case, accents and closing punctuation change nothing."""
        vectors = np.empty((len(texts), self.identity.semantic_dimension), dtype=np.float32)
        by_length: dict[int, list[int]] = {}
        encodings = self._tokenizer.encode_batch(list(texts)) if texts else []
        for number, encoding in enumerate(encodings):
            by_length.setdefault(len(encoding.ids), []).append(number)
        # Texts of one length need no padding, so a companion cannot change a vector.
        for numbers in by_length.values():
            for start in range(0, len(numbers), TEXT_BATCH):
                rows = numbers[start : start + TEXT_BATCH]
                token_ids = np.array([encodings[row].ids for row in rows], dtype=np.int64)
                (vectors[rows],) = self._text_tower.run(["semantic"], token_ids)
        return vectors

    def letters_per_piece(self, texts: Sequence[str]) -> Float32[np.ndarray, "B"]:
        """How texts are spelled: `spelling.letters_per_piece`."""
        unknown = self._tokenizer.token_to_id("[UNK]")
        encodings = self._tokenizer.encode_batch(list(texts))
        found = [
            letters_per_piece(text, encoding, unknown)
            for text, encoding in zip(texts, encodings, strict=True)
        ]
        return np.array(found, dtype=np.float32)

    @cached_property
    def _loaded_tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        path = self.files.path("tokenizer.json")
        content = self.files.reader("tokenizer.json")
        spelled = content() if content else None
        if spelled is None and not path.is_file():
            raise ModelUnavailableError(
                f"{path}: no such file; install the package again or name another folder"
            )
        try:
            if spelled is not None:
                return Tokenizer.from_buffer(spelled)
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            said = str(error).splitlines()[0]
            raise ModelUnavailableError(
                f"{path}: not a readable tokenizer ({said}); get the file again"
            ) from error

    @property
    def _tokenizer(self) -> "Tokenizer":
        with self._lock:
            return self._loaded_tokenizer
