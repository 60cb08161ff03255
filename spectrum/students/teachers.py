"""Teachers by name: every encoder, and image networks in TFLite files."""

import re
from pathlib import Path

from spectrum.encoders import Encoder, UnsuitableModelError, load_encoder
from spectrum.students.tflite_teacher import FAMILY, TfliteTeacher

WEIGHT_SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".pth", ".onnx", ".tflite"})


def load_teacher(name: str) -> Encoder:
    """The encoder called `name`, or the network of `tflite:FILE[#TENSOR]`.

    Raises ModelUnavailableError as `load_encoder` does.
    """
    family, _, model = name.partition(":")
    if family == FAMILY and model:
        return TfliteTeacher(model)
    return load_encoder(name)


def reads_texts(teacher: Encoder) -> bool:
    """Whether the teacher has a text side; it is asked for one vector."""
    try:
        teacher.encode_texts(["a photo"])
    except UnsuitableModelError:
        return False
    return True


def public_name(name: str) -> str:
    """The name without the folders of this machine, which say nothing to whoever gets a student."""
    return re.sub(r"(?<=[:/])/.*/", "", name)


def size_bytes(name: str) -> int | None:
    """Bytes of the weight files that an encoder's name points to, or None for a hub's.

    For `embedded` the package's own; a `.spectrum` file counts whole.
    """
    family, _, model = name.partition(":")
    if family == "embedded" and not model:
        from spectrum.encoders.embedded import SHIPPED

        model = str(SHIPPED)
    model = model.partition("#")[0].removeprefix("local-dir:")
    # open_clip's ARCH/PATH has the path behind the first slash.
    for said in (model, model.partition("/")[2]):
        place = Path(said).expanduser()
        if said and place.is_file():
            return place.stat().st_size
        if said and place.is_dir():
            files = (file for file in place.iterdir() if file.suffix in WEIGHT_SUFFIXES)
            return sum(file.stat().st_size for file in files) or None
    return None
