"""A fitted gate on disk: `trust/gate.json`, which names its arrays and is replaced last.

A reader sees the old pair or the new one, whenever the writer was killed.
"""

import json
import os
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.company import Company, WordVectors
from retrieval.rejection.detectors import Detector
from retrieval.rejection.distances import Landmarks
from retrieval.rejection.gate import Gate, Head, Provenance
from retrieval.rejection.words import Arrays, WordSupport

FOLDER = "trust"
MANIFEST = "gate.json"
VERSION = 6
"""Version 1 was calibrated on sentences of the captioner, which refused good queries; version 2
knew words by the encoder's vectors alone; version 3 knew no distorted pictures; version 4 knew
no captions at large, and judged phrases as it did sentences; version 5 held all phrases against one
threshold, which refused too many of three and four words."""
MakeDetector = Callable[[str, tuple[str, ...]], Detector]


def save(gate: Gate, library: Path) -> None:
    """Writes the gate beside the library, whole or not at all; OSError if it cannot be written."""
    folder = library / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = f"gate-{uuid.uuid4().hex[:12]}.npz"
    unfinished = folder / f".{file}.unfinished"
    try:
        with unfinished.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **_arrays(gate))
        size = unfinished.stat().st_size
        unfinished.replace(folder / file)
    finally:
        unfinished.unlink(missing_ok=True)
    manifest = {
        "version": VERSION,
        "file": file,
        "file_bytes": size,
        "detectors": {kind: head.detector_name for kind, head in gate.heads.items()},
        "provenance": asdict(gate.provenance),
    }
    written = folder / f".{MANIFEST}.{os.getpid()}.unfinished"
    written.write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    written.replace(folder / MANIFEST)
    for old in folder.glob("gate-*.npz"):
        if old.name != file:
            with suppress(OSError):  # another process may read it still, on some systems
                old.unlink()


def manifest_of(library: Path) -> dict[str, Any] | None:
    """What the calibration was made of, without reading it; None where there is none.

    Raises CalibrationError where the file cannot be understood.
    """
    return _written(library, any_version=False)


def last_provenance(library: Path) -> Provenance | None:
    """What the last calibration was made of, whichever version of Spectrum made it.

    Raises CalibrationError where the file cannot be understood.
    """
    said = _written(library, any_version=True)
    return None if said is None else Provenance(**said["provenance"])


def _written(library: Path, *, any_version: bool) -> dict[str, Any] | None:
    path = library / FOLDER / MANIFEST
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["version"] != VERSION and not any_version:
            raise CalibrationError(
                f"{path}: a calibration of version {said['version']}, this Spectrum reads"
                f" {VERSION}; run 'spectrum calibrate'"
            )
        Provenance(**said["provenance"])
    except FileNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, CalibrationError):
            raise
        raise CalibrationError(
            f"{path}: not a calibration that can be read; run 'spectrum calibrate'"
        ) from error
    return dict(said)


def load(library: Path, make: MakeDetector, space: str) -> Gate | None:
    """The library's gate; None where there is none, or where it is of another encoder's space.

    Raises CalibrationError where it is damaged.
    """
    said = manifest_of(library)
    if said is None or said["provenance"]["space"] != space:
        return None
    path = library / FOLDER / str(said["file"])
    try:
        if path.stat().st_size != said["file_bytes"]:
            raise ValueError("its size is not the one that was written")
        with np.load(path, allow_pickle=False) as read:
            arrays = {name: read[name] for name in read.files}
        heads = {
            kind: _head(kind, name, _under(arrays, f"{kind}/"), make)
            for kind, name in said["detectors"].items()
        }
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise CalibrationError(
            f"{path}: a damaged calibration ({error}); run 'spectrum calibrate'"
        ) from error
    return Gate(
        heads=heads,
        provenance=Provenance(**said["provenance"]),
        image_ids=arrays["image_ids"].astype(np.int64),
    )


def _arrays(gate: Gate) -> Arrays:
    made: Arrays = {"image_ids": gate.image_ids}
    for kind, head in gate.heads.items():
        parts: dict[str, Arrays] = {
            "landmarks": head.landmarks.arrays(),
            "detector": head.detector.arrays(),
            "calibrating": dict(head.calibrating),
            "usual": {"figures": head.usual, "best_hits": head.best_hits},
            "pictures": {"vectors": head.pictures.astype(np.float16)},
        }
        if head.support is not None:
            parts["support"] = head.support.arrays()
        if head.scene is not None:
            parts["scene"] = {"direction": head.scene}
        if head.company is not None:
            parts["words"] = head.company.vectors.arrays()
            parts["company"] = head.company.arrays()
        for part, arrays in parts.items():
            made |= {f"{kind}/{part}/{name}": array for name, array in arrays.items()}
    return made


def _under(arrays: Mapping[str, Any], prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _head(kind: str, name: str, arrays: Arrays, make: MakeDetector) -> Head:
    support = company = None
    if held := _under(arrays, "support/"):
        support = WordSupport.restored(held)
        if network := _under(arrays, "company/"):
            vectors = WordVectors.restored(support, _under(arrays, "words/"))
            company = Company.restored(vectors, network)
    head = Head(
        kind=kind,
        landmarks=Landmarks.restored(_under(arrays, "landmarks/")),
        detector_name=name,
        detector=make(name, ()),
        calibrating=_under(arrays, "calibrating/"),
        usual=arrays["usual/figures"],
        best_hits=arrays["usual/best_hits"],
        pictures=arrays["pictures/vectors"].astype(np.float32),
        support=support,
        company=company,
        scene=arrays.get("scene/direction"),
    )
    head.detector = make(name, head.columns)
    head.detector.restore(_under(arrays, "detector/"))
    return head
