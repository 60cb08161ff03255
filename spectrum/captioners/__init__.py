"""Captioners by name: images to one plain sentence each.

- `embedded`: ships with the package; ONNX Runtime, no torch, no download
- `embedded:FOLDER`: the same with the model files of another folder
"""

from spectrum.captioners.protocol import Caption, Captioner, CaptionerIdentity
from spectrum.encoders.protocol import ModelUnavailableError

__all__ = ["Caption", "Captioner", "CaptionerIdentity", "ModelUnavailableError", "load_captioner"]


def load_captioner(name: str) -> Captioner:
    """Makes the captioner called `name`; its weights stay on disk until they are needed.

    Raises ModelUnavailableError if the family is unknown or the model's files are not here.
    """
    family, _, model = name.partition(":")
    if family != "embedded":
        raise ModelUnavailableError(
            f"unknown captioner '{name}': use 'embedded' or 'embedded:FOLDER'"
        )
    from spectrum.captioners.embedded import EmbeddedCaptioner

    return EmbeddedCaptioner(model or None)
