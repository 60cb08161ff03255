"""How a library's calibration stands, for `spectrum status`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from retrieval.rejection.gate import Provenance

DRIFT = 0.1
"""Share of the pictures that may come or go before `index` calibrates again."""
WORDS_UNJUDGED = (
    "words are not judged, since the library has no captions: 'spectrum calibrate --captions FILE'"
    " teaches them"
)
WORDS_BY_OTHERS = (
    "words are judged by other photographs' captions, not by this library's: 'spectrum calibrate"
    " --captions FILE' tells unknown queries far better"
)
NEVER_CALIBRATED = "the library is not calibrated: 'spectrum status' says why"
TAUGHT_NOTHING = (WORDS_UNJUDGED, NEVER_CALIBRATED)
"""Why queries are not judged where nothing is broken."""


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
    provenance: Provenance,
    detectors: Mapping[str, str],
    drift: float,
    *,
    encoder_changed: bool,
    of_words: str = WORDS_UNJUDGED,
) -> TrustStatus:
    """The status of a calibration that is there; `of_words` tells of words without captions."""
    judged = "words and images" if "text" in detectors else "images"
    texts = f" and {provenance.n_texts:,} captions" if provenance.n_texts else ""
    said = (
        f"{judged} are judged: calibrated {provenance.made_at[:10]} on"
        f" {provenance.n_images:,} pictures{texts}"
    )
    if encoder_changed:
        said = "calibrated for another encoder, so nothing is refused: run 'spectrum calibrate'"
    elif drift > DRIFT:
        said += f"; {drift:.0%} of the pictures have changed since: run 'spectrum calibrate'"
    elif drift > 0:
        said += f"; {drift:.1%} of the pictures have changed since"
    if "text" not in detectors and not encoder_changed:
        said += f"; {of_words}"
    return TrustStatus(
        sentence=said,
        calibrated=not encoder_changed,
        stale=encoder_changed or drift > DRIFT,
        drift=drift,
        detectors=dict(detectors),
        provenance=provenance,
    )
