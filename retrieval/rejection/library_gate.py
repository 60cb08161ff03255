"""The gate of a library: fitted to what it holds now, read, refitted when it has drifted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32
from threadpoolctl import threadpool_limits

from retrieval.rejection.calibration import CalibrationError, require_enough, require_rate
from retrieval.rejection.gate import Gate, Head, Provenance
from retrieval.rejection.state import WORDS_BY_OTHERS, WORDS_UNJUDGED, TrustStatus, standing
from retrieval.rejection.storage import load, manifest_of, save
from retrieval.trust import framework_detectors, made_detector
from spectrum.encoders.embedded import SHIPPED
from spectrum.encoders.expected_match import match_for

if TYPE_CHECKING:
    from retrieval.library import Library
    from retrieval.rejection.fitting import Sizes
    from retrieval.rejection.known_texts import CaptionSource, Say
    from retrieval.rejection.text_fitting import KnownTexts
    from spectrum.encoders import EncoderIdentity


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """How a library is calibrated."""

    captions: Path | None = None
    """captions.jsonl with what people wrote of the library's pictures. None: that of the last
    calibration; without either, words are judged by other photographs' captions, if the encoder is
    the one that ships, or not at all."""
    split: str | None = None
    """Only rows of this split."""
    false_reject: float = 0.05
    """alpha that there have to be enough queries for; a search may ask for another."""
    text_detector: str = ""
    image_detector: str = ""
    """Names of detectors; empty: the defaults."""
    seed: int = 0
    sizes: "Sizes | None" = None


def load_gate(library: "Library") -> Gate | None:
    """The library's gate, or None where it is not calibrated. CalibrationError if damaged."""
    return load(library.folder, made_detector, library.space.fingerprint)


def calibrate(library: "Library", options: CalibrationOptions, say: "Say" = lambda _: None) -> Gate:
    """Fits the gate to the library as it is now, and saves it beside the library.

    Images need the pictures alone; words are fitted only where captions are named. Raises
    CalibrationError for too few pictures or captions, or a rate outside (0, 1), DatasetError for
    captions that cannot be read, ValueError for a detector that there is not.
    """
    from retrieval.rejection.known_texts import caption_source, known_texts

    require_rate(options.false_reject)
    space = library.space
    ids = library.catalogue.searchable_ids(space.id)
    require_enough(len(ids), options.false_reject, "images")
    source = caption_source(library, options.captions, options.split, say)
    known = known_texts(library, source, ids, say) if source else None
    vectors = library.catalogue.vectors(ids, space)
    # Of matrices as small as these, BLAS's threads do nothing but wait for one another: on a busy
    # machine that made eigenvalues take a hundred times as long.
    with threadpool_limits(1, user_api="blas"):
        say(f"calibrating images: {len(ids):,} pictures")
        heads = {"image": _image_head(library, ids, vectors, options, say)}
        if known is None:
            say(_of_words(space.identity))
        else:
            say(f"calibrating words: {len(known.texts):,} captions")
            heads["text"] = _text_head(library, vectors, known, options)
    provenance = _provenance(known, source, space.fingerprint, len(ids), options.seed)
    gate = Gate(heads=heads, provenance=provenance, image_ids=ids)
    save(gate, library.folder)
    return gate


def _image_head(
    library: "Library",
    ids: np.ndarray[Any, np.dtype[np.int64]],
    vectors: Float32[np.ndarray, "N D"],
    options: CalibrationOptions,
    say: "Say",
) -> Head:
    from retrieval.rejection.distorted_pictures import distorted_vectors
    from retrieval.rejection.fitting import IMAGE_DETECTOR, Sizes
    from retrieval.rejection.image_fitting import image_head

    sizes = options.sizes or Sizes()
    widths = block_widths(library.space.identity)
    return image_head(
        vectors,
        widths,
        query_scale(widths, library.encoder.visual_weight),
        options.image_detector or IMAGE_DETECTOR,
        framework_detectors(),
        false_reject=options.false_reject,
        distorted=distorted_vectors(library, ids, sizes.distorted, options.seed, say),
        sizes=sizes,
        seed=options.seed,
    )


def _text_head(
    library: "Library",
    vectors: Float32[np.ndarray, "N D"],
    known: "KnownTexts",
    options: CalibrationOptions,
) -> Head:
    from retrieval.rejection.fitting import TEXT_DETECTOR
    from retrieval.rejection.text_fitting import text_evidence, text_head

    evidence = text_evidence(
        known,
        np.ascontiguousarray(vectors[:, : library.space.identity.semantic_dimension]),
        library.encoder.encode_texts,
        false_reject=options.false_reject,
        sizes=options.sizes,
        seed=options.seed,
    )
    return text_head(evidence, options.text_detector or TEXT_DETECTOR, framework_detectors())


def _provenance(
    known: "KnownTexts | None",
    source: "CaptionSource | None",
    space: str,
    n_images: int,
    seed: int,
) -> Provenance:
    from retrieval.rejection.known_texts import hash_of

    texts: Sequence[str] = known.texts if known else ()
    return Provenance(
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        source="captions" if source else "none",
        captions_file=str(source.file) if source else "",
        captions_split=(source.split or "") if source else "",
        captions_hash=hash_of(texts) if texts else "",
        space=space,
        n_images=n_images,
        n_texts=len(texts),
        seed=seed,
    )


def calibration_status(library: "Library") -> TrustStatus:
    """How the calibration stands. CalibrationError where it cannot be read."""
    space = library.catalogue.space()
    ids = np.empty(0, np.int64) if space is None else library.catalogue.searchable_ids(space.id)
    said = manifest_of(library.folder)
    if said is None or space is None:
        why = "run 'spectrum calibrate'"
        try:
            require_enough(len(ids), 0.05)
        except CalibrationError as error:
            why = str(error)
        return TrustStatus(sentence=f"not calibrated, nothing is refused: {why}", calibrated=False)
    provenance = Provenance(**said["provenance"])
    changed = provenance.space != space.fingerprint
    gate = None if changed else load_gate(library)
    drift = 1.0 if gate is None else _moved_share(ids, gate.image_ids)
    return standing(
        provenance,
        said["detectors"],
        drift,
        encoder_changed=changed,
        of_words=_of_words(space.identity),
    )


def _of_words(identity: "EncoderIdentity") -> str:
    """Whether words are judged in a library without captions, and by what."""
    return WORDS_BY_OTHERS if match_for(identity, SHIPPED) else WORDS_UNJUDGED


def _moved_share(
    now: np.ndarray[Any, np.dtype[np.int64]], then: np.ndarray[Any, np.dtype[np.int64]]
) -> float:
    """Pictures that came or went, of the larger of the two libraries."""
    return len(np.setxor1d(now, then)) / max(1, len(now), len(then))


def refit_if_drifted(library: "Library", say: "Say") -> bool:
    """Calibrates where the library never was, or where it has drifted; whether it did.

    A library that is too small to be calibrated is left without a gate; `spectrum status` says so.
    """
    space = library.catalogue.space()
    if space is None:
        return False
    try:
        require_enough(len(library.catalogue.searchable_ids(space.id)), 0.05)
    except CalibrationError:
        return False
    try:
        status = calibration_status(library)
    except CalibrationError:
        say("the last calibration cannot be read: calibrating again")
    else:
        if status.calibrated and not status.stale:
            return False
    try:
        calibrate(library, CalibrationOptions(), say)
    except ValueError as error:  # CalibrationError, or captions that have become unreadable
        say(f"not calibrated: {error}")
        return False
    return True


def block_widths(identity: "EncoderIdentity") -> tuple[int, ...]:
    """Numbers of the semantic and, where there is one, of the visual vector."""
    return tuple(w for w in (identity.semantic_dimension, identity.visual_dimension) if w)


def query_scale(widths: Sequence[int], visual_weight: float) -> Float32[np.ndarray, " D"]:
    """What each number of [semantic; visual] is multiplied by in an image query."""
    if len(widths) == 1:
        return np.ones(widths[0], dtype=np.float32)
    semantic, visual = np.sqrt(1 - visual_weight), np.sqrt(visual_weight)
    scales = np.array([semantic, visual]) / (semantic + visual)
    return np.repeat(scales, widths).astype(np.float32)
