"""The trust gate of a library: fitted by `spectrum calibrate`, asked by every search.

The only file of retrieval that knows the framework Satipatthana, and only while it fits; a search
scores with NumPy alone.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from retrieval.rejection.calibration import CalibrationError, require_enough, require_rate
from retrieval.rejection.detectors import Detector
from retrieval.rejection.gate import Gate, Head, Provenance
from retrieval.rejection.state import TrustStatus, standing
from retrieval.rejection.storage import load as read_gate
from retrieval.rejection.storage import manifest_of, save
from retrieval.rejection.words import Arrays

if TYPE_CHECKING:
    from retrieval.library import Library
    from retrieval.rejection.contest import Contestant
    from retrieval.rejection.fitting import KnownTexts, Sizes
    from spectrum.encoders import EncoderIdentity

DESCRIBED = 1_500
"""Pictures, at most, that the captioner describes where a library has no captions."""
CAPTIONS_EACH = 5
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """How a library is calibrated."""

    captions: Path | None = None
    """captions.jsonl whose sentences are good queries. None: those of the last calibration, or
    else what the captioner says of the library's own pictures."""
    split: str | None = None
    """Only rows of this split."""
    false_reject: float = 0.05
    """alpha that there have to be enough queries for; a search may ask for another."""
    text_detector: str = ""
    image_detector: str = ""
    """Names of detectors; empty: the defaults."""
    seed: int = 0
    sizes: "Sizes | None" = None


def made_detector(name: str, columns: tuple[str, ...]) -> Detector:
    """A detector by its name, unfitted. ValueError, with all names, where there is none."""
    from retrieval.rejection.fitting import unfitted

    return unfitted(name, columns, framework_detectors())


def framework_detectors() -> Mapping[str, Callable[[], Detector]]:
    """The detectors that are built on Satipatthana."""
    from retrieval.rejection.satipatthana_scores import SatipatthanaDetector

    return {"satipatthana": lambda: SatipatthanaDetector(fit_framework)}


def fit_framework(
    x: Float32[np.ndarray, "N F"],
    void: Float32[np.ndarray, "V F"],
    extra: Float32[np.ndarray, "N E"],
    void_extra: Float32[np.ndarray, "V E"],
    names: Sequence[str],
    seed: int,
) -> Arrays:
    """Trains a system (d = 64, K = 16, T = 10), the evidence as its block of extra features.

    Returned is what `rejection.satipatthana_scores` computes the three scores of.
    """
    import torch

    from satipatthana.configs import (
        AugmenterConfig,
        CurriculumConfig,
        SamathaConfig,
        StageConfig,
        StandardVipassanaConfig,
        SystemConfig,
        VipassanaEngineConfig,
        create_adapter_config,
        create_vicara_config,
    )
    from satipatthana.curriculum import fit
    from satipatthana.system import SatipatthanaSystem

    width, n_features = 64, x.shape[1]
    config = SystemConfig(
        samatha=SamathaConfig(
            adapter=create_adapter_config(
                "mlp", input_dim=n_features, latent_dim=width, hidden_dims=(128,)
            ),
            augmenter=AugmenterConfig(max_noise_std=0.3),
            vicara=create_vicara_config("standard", latent_dim=width),
        ),
        vipassana=VipassanaEngineConfig(
            vipassana=StandardVipassanaConfig(extra_features=tuple(names))
        ),
        task="none",
        recon_hidden_dims=(128,),
    )
    curriculum = CurriculumConfig(
        adapter=StageConfig(max_epochs=5),
        samatha=StageConfig(max_epochs=5),
        vipassana=StageConfig(max_epochs=6, learning_rate=3e-3),
        decoder=StageConfig(max_epochs=0),
        recon_weight=0.3,
        seed=seed,
    )
    # The extra features travel behind the vector: the curriculum picks samples, and asks for the
    # features of whatever it picked.
    every = np.concatenate([x, void])
    told = torch.from_numpy(np.concatenate([extra, void_extra]))
    places = {row.tobytes(): place for place, row in enumerate(every)}

    def extra_of(batch: torch.Tensor) -> torch.Tensor:
        known_rows = [places.get(row.tobytes(), -1) for row in batch.numpy()]
        if min(known_rows) >= 0:
            return told[known_rows]
        return told[nearest_rows(batch, torch.from_numpy(every))]

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        system = SatipatthanaSystem(config)
    fit(system, torch.from_numpy(x), void=torch.from_numpy(void), extra=extra_of, config=curriculum)
    return framework_arrays(system)


def nearest_rows(batch: Any, every: Any) -> Any:
    """The row that each disturbed sample was made of: the nearest one."""
    import torch

    return torch.cdist(batch, every).argmin(dim=1)


def framework_arrays(system: Any) -> Arrays:
    """A trained system's numbers, by the names that `rejection.satipatthana_scores` reads."""
    from satipatthana.samatha.refiner import bounded

    samatha, vipassana = system.samatha, system.vipassana.vipassana
    refiner, projection = samatha.vicara.refiners[0], vipassana.projection
    found: dict[str, Any] = {
        "probes": samatha.vitakka.probes,
        "query": samatha.vitakka.query.weight,
        "key": samatha.vitakka.key.weight,
        "temperature": samatha.vitakka.temperature,
        "refiner.state": bounded(refiner.state_weight),
        "refiner.context": bounded(refiner.context_weight),
        "refiner.output": bounded(refiner.output_weight),
        "refiner.bias": refiner.bias,
        "lipschitz": refiner.config.lipschitz,
        "beta": samatha.vicara.config.beta,
        "threshold": samatha.sati.threshold,
        "max_steps": samatha.config.max_steps,
        "heard": projection.heard,
        "sign": projection.sign,
        "mean": projection.mean,
        "scale": projection.scale,
        "projection.weight": projection.linear.weight,
        "projection.bias": projection.linear.bias,
        "trust.weight": vipassana.trust_head.linear.weight,
        "trust.bias": vipassana.trust_head.linear.bias,
        "step_mean": vipassana.encoder.mean,
        "step_scale": vipassana.encoder.scale,
        "gru.input": vipassana.encoder.gru.weight_ih_l0,
        "gru.hidden": vipassana.encoder.gru.weight_hh_l0,
        "gru.input_bias": vipassana.encoder.gru.bias_ih_l0,
        "gru.hidden_bias": vipassana.encoder.gru.bias_hh_l0,
    }
    perceptrons = {
        "adapter": samatha.adapter.layers,
        "recon": system.samatha_recon_head.layers,
        "conformity": vipassana.conformity_head,
        "confidence": vipassana.confidence_head,
    }
    for name, layers in perceptrons.items():
        linear = [layer for layer in layers if hasattr(layer, "weight")]
        for number, layer in enumerate(linear):
            found[f"{name}.weight{number}"] = layer.weight
            found[f"{name}.bias{number}"] = layer.bias
    return {
        name: np.asarray(value.detach().numpy() if hasattr(value, "detach") else value).astype(
            np.float32
        )
        for name, value in found.items()
    }


def load_gate(library: "Library") -> Gate | None:
    """The library's gate, or None where it is not calibrated. CalibrationError if damaged."""
    space = library.space
    return read_gate(library.folder, made_detector, space.fingerprint)


def calibrate(library: "Library", options: CalibrationOptions, say: Say = lambda _: None) -> Gate:
    """Fits the gate to the library as it is now, and saves it beside the library.

    Raises CalibrationError for too few pictures or a rate outside (0, 1), DatasetError for
    captions that cannot be read, ValueError for a detector that there is not.
    """
    from retrieval.rejection.fitting import (
        IMAGE_DETECTOR,
        TEXT_DETECTOR,
        Sizes,
        image_head,
        text_evidence,
        text_head,
    )

    require_rate(options.false_reject)
    space = library.space
    ids = library.catalogue.searchable_ids(space.id)
    require_enough(len(ids), options.false_reject, "images")
    vectors = library.catalogue.vectors(ids, space)
    identity = space.identity
    widths = _widths(identity)
    sizes = options.sizes or Sizes()
    say(f"calibrating images: {len(ids):,} pictures")
    heads: dict[str, Head] = {}
    others = framework_detectors()
    heads["image"] = image_head(
        vectors,
        widths,
        _query_scale(widths, library.encoder.visual_weight),
        options.image_detector or IMAGE_DETECTOR,
        others,
        false_reject=options.false_reject,
        sizes=sizes,
        seed=options.seed,
    )
    known, source, file = _known_texts(library, options, ids, say)
    say(f"calibrating words: {len(known.texts):,} texts ({source})")
    evidence = text_evidence(
        known,
        np.ascontiguousarray(vectors[:, : identity.semantic_dimension]),
        library.encoder.encode_texts,
        false_reject=options.false_reject,
        sizes=sizes,
        seed=options.seed,
    )
    heads["text"] = text_head(evidence, options.text_detector or TEXT_DETECTOR, others)
    gate = Gate(
        heads=heads,
        provenance=Provenance(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            source=source,
            captions_file=file,
            captions_hash=_hash(known.texts),
            space=space.fingerprint,
            n_images=len(ids),
            n_texts=len(known.texts),
            seed=options.seed,
        ),
        image_ids=ids,
    )
    save(gate, library.folder)
    return gate


def calibration_status(library: "Library") -> TrustStatus:
    """How the calibration stands. CalibrationError where it cannot be read."""
    space = library.catalogue.space()
    n_images = 0 if space is None else len(library.catalogue.searchable_ids(space.id))
    said = manifest_of(library.folder)
    if said is None or space is None:
        why = "run 'spectrum calibrate'"
        try:
            require_enough(n_images, 0.05)
        except CalibrationError as error:
            why = str(error)
        return TrustStatus(sentence=f"not calibrated, nothing is refused: {why}", calibrated=False)
    provenance = Provenance(**said["provenance"])
    changed = provenance.space != space.fingerprint
    drift = 1.0
    gate = None if changed else load_gate(library)
    if gate is not None:
        now = library.catalogue.searchable_ids(space.id)
        moved = len(np.setxor1d(now, gate.image_ids))
        drift = moved / max(1, len(now), len(gate.image_ids))
    return standing(provenance, said["detectors"], drift, encoder_changed=changed)


def compared(
    library: "Library",
    known: Path,
    unknown: Sequence[Path],
    *,
    split: str | None = None,
    false_reject: float = 0.05,
    names: Sequence[str] = (),
    sizes: "Sizes | None" = None,
    say: Say = lambda _: None,
) -> "list[Contestant]":
    """Every detector, fitted to the library, on the user's own known and unknown queries.

    Raises CalibrationError for sets that cannot be told apart or are of two kinds.
    """
    from retrieval.rejection.contest import require_different
    from retrieval.rejection.query_sets import read_queries

    require_rate(false_reject)
    asked = read_queries(known, split)
    others = {path.name: read_queries(path, None) for path in unknown}
    kinds = {asked.kind, *(other.kind for other in others.values())}
    if len(kinds) > 1:
        raise CalibrationError("known and unknown queries must all be texts, or all be images")
    require_different(asked.queries, {name: other.queries for name, other in others.items()})
    queries = {name: other.queries for name, other in others.items()}
    if asked.kind == "text":
        return _compared_texts(library, asked.queries, queries, false_reject, names, sizes, say)
    return _compared_images(library, asked.queries, queries, false_reject, names, sizes, say)


def _compared_texts(
    library: "Library",
    known: Sequence[str],
    unknown: Mapping[str, Sequence[str]],
    false_reject: float,
    names: Sequence[str],
    sizes: "Sizes | None",
    say: Say,
) -> "list[Contestant]":
    from retrieval.rejection.contest import contestant, detector_names
    from retrieval.rejection.fitting import text_evidence, text_head
    from retrieval.rejection.gate import group_of

    space = library.space
    ids = library.catalogue.searchable_ids(space.id)
    vectors = library.catalogue.vectors(ids, space)[:, : space.identity.semantic_dimension]
    texts, source, _ = _known_texts(library, CalibrationOptions(), ids, say)
    say(f"fitting to {len(texts.texts):,} texts ({source})")
    encode = library.encoder.encode_texts
    evidence = text_evidence(
        texts, np.ascontiguousarray(vectors), encode, false_reject=false_reject, sizes=sizes
    )
    samples = {
        name: evidence.head.sample(encode(list(queries)), list(queries), encode)
        for name, queries in {"": known, **unknown}.items()
    }
    groups = {
        name: np.array([group_of(text) for text in queries])
        for name, queries in {"": known, **unknown}.items()
    }
    asked, mine = samples.pop(""), groups.pop("")
    found = []
    for name in names or detector_names("text", evidence.head.columns):
        say(name)
        head = text_head(evidence, name, framework_detectors())
        found.append(contestant(head, asked, samples, false_reject, (mine, groups)))
    return found


def _compared_images(
    library: "Library",
    known: Sequence[str],
    unknown: Mapping[str, Sequence[str]],
    false_reject: float,
    names: Sequence[str],
    sizes: "Sizes | None",
    say: Say,
) -> "list[Contestant]":
    from retrieval.rejection.contest import contestant, detector_names
    from retrieval.rejection.fitting import image_head

    space = library.space
    vectors = library.catalogue.vectors(library.catalogue.searchable_ids(space.id), space)
    widths = _widths(space.identity)
    scale = _query_scale(widths, library.encoder.visual_weight)
    encoded = {
        name: _image_vectors(library, paths) for name, paths in {"": known, **unknown}.items()
    }
    asked = encoded.pop("")

    def fitted(name: str) -> Head:
        return image_head(
            vectors,
            widths,
            scale,
            name,
            framework_detectors(),
            false_reject=false_reject,
            sizes=sizes,
        )

    first = fitted("max-cosine")
    known_sample = first.sample(asked)
    samples = {name: first.sample(each) for name, each in encoded.items()}
    found = []
    for name in names or detector_names("image", first.columns):
        say(name)
        found.append(contestant(fitted(name), known_sample, samples, false_reject))
    return found


def _image_vectors(library: "Library", paths: Sequence[str]) -> Float32[np.ndarray, "Q D"]:
    from retrieval.pictures import rgb_of_source

    encoder, found = library.encoder, []
    for start in range(0, len(paths), 64):
        pixels = [
            encoder.prepare(rgb_of_source(path, encoder.side_pixels))
            for path in paths[start : start + 64]
        ]
        images = encoder.encode_images(pixels)
        found.append(np.concatenate([images.semantic, images.visual], axis=1))
    return np.concatenate(found)


def refit_if_drifted(library: "Library", say: Say) -> bool:
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
    except CalibrationError as error:
        say(str(error))
    else:
        if status.calibrated and not status.stale:
            return False
    try:
        calibrate(library, CalibrationOptions(), say)
    except CalibrationError as error:
        say(f"not calibrated, so nothing is refused: {error}")
        return False
    return True


def _widths(identity: "EncoderIdentity") -> tuple[int, ...]:
    return tuple(w for w in (identity.semantic_dimension, identity.visual_dimension) if w)


def _query_scale(widths: Sequence[int], visual_weight: float) -> Float32[np.ndarray, " D"]:
    """What each number of [semantic; visual] is multiplied by in an image query."""
    if len(widths) == 1:
        return np.ones(widths[0], dtype=np.float32)
    semantic, visual = np.sqrt(1 - visual_weight), np.sqrt(visual_weight)
    scales = np.array([semantic, visual]) / (semantic + visual)
    return np.repeat(scales, widths).astype(np.float32)


def _known_texts(
    library: "Library",
    options: CalibrationOptions,
    ids: np.ndarray[Any, np.dtype[np.int64]],
    say: Say,
) -> tuple["KnownTexts", str, str]:
    """Good queries, where they come from, and their file."""
    from retrieval.rejection.fitting import KnownTexts

    before = None if options.captions else manifest_of(library.folder)
    file = options.captions or Path((before or {}).get("provenance", {}).get("captions_file", ""))
    if options.captions is not None or (str(file) != "." and file.is_file()):
        from retrieval.evaluation.datasets import read_captions

        data = read_captions(file, options.split)
        paths = library.catalogue.ids_of_paths([os.fspath(path) for path in data.images])
        row_of = {id: row for row, id in enumerate(ids.tolist())}
        texts: list[str] = []
        rows: list[int] = []
        for image, captions in zip(data.images, data.captions, strict=True):
            row = row_of.get(paths.get(os.fspath(image), -1), -1)
            texts += captions[:CAPTIONS_EACH]
            rows += [row] * len(captions[:CAPTIONS_EACH])
        unmatched = sum(row < 0 for row in rows)
        if unmatched:
            say(f"{unmatched:,} of {len(rows):,} captions are of pictures that are not here")
        return KnownTexts(texts, np.array(rows, dtype=np.int64)), "captions", os.fspath(file)
    said, places = _described(library, ids, options.seed, say)
    return KnownTexts(said, np.array(places, dtype=np.int64)), "captioner", ""


def _described(
    library: "Library", ids: np.ndarray[Any, np.dtype[np.int64]], seed: int, say: Say
) -> tuple[list[str], list[int]]:
    """What the captioner says of some of the library's pictures, and their rows."""
    from indexer.images import UnreadableImageError
    from retrieval.pictures import rgb_of_source
    from spectrum.captioners.embedded import EmbeddedCaptioner

    captioner = EmbeddedCaptioner()
    rows = np.sort(np.random.default_rng(seed).permutation(len(ids))[:DESCRIBED])
    say(f"describing {len(rows):,} pictures, since there are no captions")
    paths = library.catalogue.paths_of(ids[rows].tolist())
    texts: list[str] = []
    kept: list[int] = []
    for start in range(0, len(rows), 64):
        pixels, here = [], []
        for row in rows[start : start + 64].tolist():
            for path in paths[int(ids[row])][:1]:
                try:
                    rgb = rgb_of_source(path, captioner.side_pixels)
                except (UnreadableImageError, OSError):
                    continue  # gone or damaged since; the next `index` says so
                pixels.append(captioner.prepare(rgb))
                here.append(row)
        texts += [caption.text for caption in captioner.caption(pixels)]
        kept += here
    return texts, kept


def _hash(texts: Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=16).hexdigest()
