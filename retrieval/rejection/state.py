"""How a library's calibration stands, for `spectrum status`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from retrieval.rejection.gate import Provenance

DRIFT = 0.1
"""Share of the pictures that may come or go before `index` calibrates again."""


@dataclass(frozen=True, kw_only=True)
class TrustStatus:
    """Whether hopeless queries are refused, and on what ground."""

    sentence: str
    """All of it in words."""
    calibrated: bool
    stale: bool = False
    """Whether it no longer fits the library: drifted, or of another encoder."""
    drift: float = 0.0
    """Share of the pictures that came or went since."""
    detectors: Mapping[str, str] = field(default_factory=dict)
    """By kind of query."""
    provenance: Provenance | None = None


def standing(
    provenance: Provenance, detectors: Mapping[str, str], drift: float, *, encoder_changed: bool
) -> TrustStatus:
    """The status of a calibration that is there."""
    said = (
        f"calibrated {provenance.made_at[:10]} on {provenance.n_images:,} pictures and"
        f" {provenance.n_texts:,} texts ({provenance.source})"
    )
    if encoder_changed:
        said += "; of another encoder, so nothing is refused: run 'spectrum calibrate'"
    elif drift > DRIFT:
        said += f"; {drift:.0%} of the pictures have changed since: run 'spectrum calibrate'"
    elif drift > 0:
        said += f"; {drift:.1%} of the pictures have changed since"
    return TrustStatus(
        sentence=said,
        calibrated=not encoder_changed,
        stale=encoder_changed or drift > DRIFT,
        drift=drift,
        detectors=dict(detectors),
        provenance=provenance,
    )
