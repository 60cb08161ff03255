"""Encoders by name. Three families, one protocol:

- `embedded`: ships with the package; ONNX Runtime, no torch, no download
- `open_clip:ARCH/TAG_OR_FILE`: any open_clip model, by pretrained tag or by a local file
- `hf:ID_OR_DIR`: CLIP, SigLIP and their like through transformers
"""

from spectrum.encoders.protocol import (
    EncodedImages,
    Encoder,
    EncoderIdentity,
    ModelUnavailableError,
    Pixels,
    RgbImage,
    UnsuitableModelError,
)

__all__ = [
    "EncodedImages",
    "Encoder",
    "EncoderIdentity",
    "ModelUnavailableError",
    "Pixels",
    "RgbImage",
    "UnsuitableModelError",
    "load_encoder",
]


def load_encoder(name: str) -> Encoder:
    """Makes the encoder called `name`; its weights stay on disk until they are needed.

    Raises ModelUnavailableError if the family is unknown or the model's files are not here.
    """
    family, _, model = name.partition(":")
    encoder: Encoder
    # Each family is imported on demand: torch takes seconds, and the embedded encoder needs none.
    if family == "embedded":
        from spectrum.encoders.embedded import EmbeddedEncoder

        encoder = EmbeddedEncoder(model or None)
    elif family == "open_clip" and model:
        from spectrum.encoders.openclip import OpenClipEncoder

        encoder = OpenClipEncoder(model)
    elif family == "hf" and model:
        from spectrum.encoders.huggingface import HuggingFaceEncoder

        encoder = HuggingFaceEncoder(model)
    else:
        raise ModelUnavailableError(
            f"unknown encoder '{name}': use 'embedded', 'open_clip:ARCH/PRETRAINED_OR_PATH'"
            " or 'hf:ID_OR_DIR'"
        )
    _ = encoder.identity  # files that are not here are told of now, not in the middle of a run
    return encoder
