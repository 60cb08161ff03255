"""The captioner that ships with the package: a small decoder on the embedded encoder's grid."""

import hashlib
import json
import math
import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from spectrum.captioners.decoding import Past, Search, decoded
from spectrum.captioners.protocol import Caption, CaptionerIdentity
from spectrum.captioners.vocabulary import Vocabulary
from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from spectrum.encoders.protocol import EncodedImages, ModelUnavailableError, RgbImage
from spectrum.encoders.runtime import OnnxModel
from spectrum.shared_work import by_threads

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]
STEP_OUTPUTS = ("log_probs", "keys", "values")
IMAGE_OUTPUTS = ("image_keys_made", "image_values_made")


class DecoderModel(OnnxModel):
    """The decoder's file: one graph that reads an image, or says the next words."""

    def compute(self, outputs: Sequence[str], entering: Arrays) -> list[Any]:
        """The named outputs; only what they need is computed. All inputs have to be there."""
        import onnxruntime

        options = onnxruntime.RunOptions()
        options.log_severity_level = 3
        options.only_execute_path_to_fetches = True
        return list(self._opened().run(list(outputs), entering, options))


class EmbeddedCaptioner:
    """Photographs to sentences, by ONNX Runtime, without torch and without a download.

    `model` is a folder with an embedded encoder's files, captioner.onnx and captioner.json;
    without it the package's own are used. `threads` limits the images that are described at the
    same time; 0 stands for as many as there are cores.

    The confidence is the share of a caption's words, the ten commonest apart, that one of five
    people can be expected to write of the same image: a logistic curve, fitted after training, of
    the mean log-probability that the decoder gave the words and the end.

    Raises ModelUnavailableError where a file is absent or unreadable: captioner.json and
    identity.json at once, the others at the first caption, and also if the captioner learnt from
    another image tower than the folder's.
    """

    def __init__(self, model: str | None = None, *, threads: int = 0) -> None:
        self.folder = SHIPPED if model is None else Path(model).expanduser().absolute()
        self._name = "embedded" if model is None else f"embedded:{self.folder}"
        self._read_settings()
        self.encoder = EmbeddedEncoder(model, threads=1)
        self._threads = threads or os.cpu_count() or 1
        self._decoder = DecoderModel(self.folder / "captioner.onnx", threads=1)
        self._lock = threading.Lock()

    def _read_settings(self) -> None:
        path = self.folder / "captioner.json"
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            self._identity = CaptionerIdentity(
                name=self._name,
                weights_hash=str(said["weights_hash"]),
                licence=str(said["licence"]),
            )
            self._tower_hash = str(said["image_tower_hash"])
            self._confidence = float(said["confidence_offset"]), float(said["confidence_slope"])
            self._search = Search(
                longest=int(said["longest"]), length_power=float(said["length_power"])
            )
            layers, heads, rows, part = (
                int(said[name]) for name in ("layers", "heads", "rows", "head_width")
            )
            self._nothing = np.zeros((layers, 1, heads, 0, part), dtype=np.float32)
            self._unseen = np.zeros((layers, 1, heads, rows, part), dtype=np.float32)
            self._vocabulary = Vocabulary(tuple(map(str, said["words"])))
        except OSError as error:
            raise ModelUnavailableError(
                f"{path}: {error.strerror}; an embedded captioner's folder holds captioner.json"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ModelUnavailableError(
                f"{path}: not a captioner's settings ({error!r}); export the model again"
            ) from error

    @property
    def identity(self) -> CaptionerIdentity:
        """Which captioner this is."""
        return self._identity

    @property
    def side_pixels(self) -> int:
        """As the encoder's: what an image may be shrunk to."""
        return self.encoder.side_pixels

    def prepare(self, image: RgbImage) -> UInt8[np.ndarray, "h w 3"]:
        """As the encoder prepares it. Raises ValueError for an image without pixels."""
        return self.encoder.prepare(image)

    def caption(
        self, pixels: Sequence[np.ndarray[Any, np.dtype[Any]]], *, beam: int = 1
    ) -> list[Caption]:
        """Captions of prepared images, each computed alone on one thread.

        Raises ValueError for a beam below 1.
        """

        def one(image: np.ndarray[Any, np.dtype[Any]]) -> Caption:
            return self._captioned(self.encoder.encode_images([image], tokens=True), 0, beam)

        return self._each(one, pixels, beam)

    def caption_encoded(self, encoded: EncodedImages, *, beam: int = 1) -> list[Caption]:
        """Captions of images that the same folder's encoder has seen, `tokens=True`.

        The same as `caption` of the same images. Raises ValueError for a beam below 1 or where
        the tokens are missing.
        """
        return self._each(
            lambda row: self._captioned(encoded, row, beam), range(len(encoded.semantic)), beam
        )

    def _each(self, one: Any, items: Sequence[Any], beam: int) -> list[Caption]:
        if beam < 1:
            raise ValueError(f"beam must be 1 or more, got {beam}")
        if not items:
            return []
        self._check_tower()
        # Alone, so that no caption can depend on its companions: as batches of one step are, a
        # sum in another order may change which of two equal words comes first.
        return by_threads(one, items, self._threads)

    def _check_tower(self) -> None:
        with self._lock:
            found = self._found_tower
        if found != self._tower_hash:
            raise ModelUnavailableError(
                f"{self.folder}: the captioner learnt from another image tower than the one here;"
                " get both from the same release, or train the captioner again"
            )

    @cached_property
    def _found_tower(self) -> str:
        path = self.folder / "image_tower.onnx"
        try:
            return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
        except OSError as error:
            raise ModelUnavailableError(
                f"{path}: {error.strerror}; install the package again or name another folder"
            ) from error

    def _captioned(self, encoded: EncodedImages, row: int, beam: int) -> Caption:
        """The caption of one encoded image."""
        if encoded.tokens is None:
            raise ValueError("captions need the grid: call encode_images with tokens=True")
        channels = encoded.tokens.shape[-1]
        nothing: Past = (self._nothing, self._nothing)
        # One graph has all inputs, and all have to be there, also what a call does not read.
        image: Arrays = {
            "tokens": encoded.tokens[row].reshape(1, -1, channels).astype(np.float32, copy=False),
            "semantic": encoded.semantic[row : row + 1],
            "image_keys": self._unseen,
            "image_values": self._unseen,
        }
        keys, values = self._decoder.compute(
            IMAGE_OUTPUTS, image | _said(nothing, np.zeros(1, dtype=np.int64))
        )
        image |= {"image_keys": keys, "image_values": values}

        def step(
            past: Past, words: Int64[np.ndarray, " N"]
        ) -> tuple[Float32[np.ndarray, "N V"], Past]:
            log_probs, *remembered = self._decoder.compute(STEP_OUTPUTS, image | _said(past, words))
            return log_probs, (remembered[0], remembered[1])

        sentence = decoded(step, nothing, beam, self._search)
        offset, slope = self._confidence
        return Caption(
            text=self._vocabulary.sentence(sentence.ids),
            confidence=1.0 / (1.0 + math.exp(-offset - slope * sentence.mean_log_prob)),
        )


def _said(past: Past, words: Int64[np.ndarray, " N"]) -> Arrays:
    """The decoder's inputs that tell what has been said so far."""
    return {"past_keys": past[0], "past_values": past[1], "words": words}
