"""A small library from calibrating to refusing: colours, their captions, and nonsense."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval import ImagePart, Library, Query, TextPart
from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.gate import combined
from retrieval.rejection.library_gate import CalibrationOptions, calibrate, load_gate
from retrieval.rejection.storage import FOLDER, MANIFEST
from tests.retrieval.rejection.painted import QUICK, paint_many
from tests.stand_ins import ColourEncoder


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("gate")
    paint_many(folder / "pictures", 240)
    with Library.open(folder / "test.library", encoder=ColourEncoder()) as library:
        library.index(folder / "pictures")
        captions = folder / "pictures" / "captions.jsonl"
        calibrate(library, CalibrationOptions(captions=captions, sizes=QUICK))
        yield library


def test_a_good_query_is_answered_with_its_trust(calibrated: Library) -> None:
    answer = calibrated.search("a red wall beside a blue carpet")
    assert answer.trust is not None
    assert answer.trust.accepted
    assert answer.trust.trust >= answer.trust.threshold
    assert answer.trust.reasons == ()
    assert answer.hits


def test_nonsense_gets_no_hits_and_a_reason(calibrated: Library) -> None:
    answer = calibrated.search("qzx vbnk thermistor wplk xq")
    assert answer.trust is not None
    assert not answer.trust.accepted
    assert answer.hits == ()
    assert "no description of this library's pictures mentions" in answer.trust.reasons[0]
    shown = calibrated.search("qzx vbnk thermistor wplk xq", show_rejected=True)
    assert shown.hits
    assert shown.trust == answer.trust
    unjudged = calibrated.search("qzx vbnk thermistor wplk xq", false_reject=None)
    assert unjudged.hits
    assert unjudged.trust is None


@pytest.mark.parametrize("asked", ["a red wall", "a walrus", "the red wall beside a green carpet"])
def test_a_photo_of_something_is_judged_as_that_thing(calibrated: Library, asked: str) -> None:
    plain = calibrated.search(asked).trust
    for frame in ("a photo of ", "Picture of ", "the images of "):
        assert calibrated.search(frame + asked).trust == plain


def test_a_stricter_rate_moves_the_threshold_only(calibrated: Library) -> None:
    rates = (0.02, 0.1, 0.3)
    judged = [calibrated.search("a red wall", false_reject=rate).trust for rate in rates]
    thresholds = [trust.threshold for trust in judged if trust is not None]
    assert thresholds == sorted(thresholds)
    assert len({trust.trust for trust in judged if trust is not None}) == 1


def test_a_rate_outside_0_and_1_is_an_error(calibrated: Library) -> None:
    with pytest.raises(CalibrationError, match="above 0 and below 1, not 1"):
        calibrated.search("red", false_reject=1.0)


def test_pictures_of_its_own_are_mostly_accepted(calibrated: Library) -> None:
    folder = Path(calibrated.folder).parent / "pictures"
    judged = [calibrated.search(image=folder / f"{i}.png").trust for i in range(0, 240, 8)]
    assert np.mean([trust.accepted for trust in judged if trust is not None]) > 0.8


def test_a_query_of_two_parts_is_as_trusted_as_its_worst(calibrated: Library) -> None:
    folder = Path(calibrated.folder).parent / "pictures"
    nonsense = TextPart(text="qzx vbnk thermistor wplk xq")
    image = ImagePart(image=str(folder / "0.png"))
    both = calibrated.search(Query(parts=(nonsense, image))).trust
    words = calibrated.search(Query(parts=(nonsense,))).trust
    picture = calibrated.search(Query(parts=(image,))).trust
    assert both is not None
    assert words is not None
    assert picture is not None
    assert both.trust == pytest.approx(min(1.0, 2 * min(words.trust, picture.trust)))
    unwanted = TextPart(text="qzx vbnk thermistor wplk xq", weight=-1.0)
    less = calibrated.search(Query(parts=(image, unwanted))).trust
    assert less == calibrated.search(Query(parts=(image,))).trust
    assert combined([words, None]) == words
    assert combined([None, None]) is None


def test_status_tells_when_and_on_what(calibrated: Library) -> None:
    status = calibrated.trust_status()
    assert status.calibrated
    assert status.drift == 0.0
    assert status.sentence.startswith("words and images are judged: calibrated")
    assert status.sentence.endswith("on 240 pictures and 480 captions")


def test_a_damaged_calibration_refuses_nothing_and_says_so(calibrated: Library) -> None:
    manifest = calibrated.folder / FOLDER / MANIFEST
    before = manifest.read_text()
    try:
        manifest.write_text("{")
        with Library.open(calibrated.folder, encoder=ColourEncoder()) as again:
            answer = again.search("qzx vbnk")
            assert answer.hits
            assert answer.trust is None
            assert "run 'spectrum calibrate'" in answer.ungated
            with pytest.raises(CalibrationError, match="not a calibration that can be read"):
                again.trust_status()
    finally:
        manifest.write_text(before)


def test_what_is_read_from_disk_judges_alike(calibrated: Library) -> None:
    words = "the poster is red and the wall is green"
    with Library.open(calibrated.folder, encoder=ColourEncoder()) as again:
        first, second = calibrated.search(words).trust, again.search(words).trust
    assert first is not None
    assert first == second


def test_three_pictures_are_too_few(tmp_path: Path) -> None:
    paint_many(tmp_path / "pictures", 3)
    with Library.open(tmp_path / "few.library", encoder=ColourEncoder()) as library:
        library.index(tmp_path / "pictures")
        few = "too few images to calibrate: n = 3, at least 100 needed for α = 0.05"
        with pytest.raises(CalibrationError, match=few):
            calibrate(library, CalibrationOptions())
        assert few in library.trust_status().sentence
        assert library.search("red").hits


def test_an_unknown_detector_is_refused_with_the_known_names(calibrated: Library) -> None:
    options = CalibrationOptions(image_detector="magic", sizes=QUICK)
    with pytest.raises(ValueError, match="there is no detector 'magic': choose from .*max-cosine"):
        calibrate(calibrated, options)


def _weak(library: Library, ranking: str) -> tuple[list[int], list[int], int]:
    """Ids of all hits, of those that an accepted query keeps, and how many it lacks."""
    words = "a red wall beside a blue carpet"
    every = library.search(words, top=40, false_reject=None, ranking=ranking, duplicates=True)
    answer = library.search(words, top=40, ranking=ranking, duplicates=True)
    assert answer.trust is not None
    assert answer.trust.accepted
    kept = [hit.image_id for hit in answer.hits]
    return [hit.image_id for hit in every.hits], kept, answer.n_weak


@pytest.mark.parametrize("ranking", ["raw", "alpha-qe"])
def test_hits_are_weak_by_their_cosines_whatever_ranks_them(
    calibrated: Library, ranking: str
) -> None:
    every, kept, n_weak = _weak(calibrated, ranking)
    space = calibrated.space
    vectors = calibrated.catalogue.vectors(np.array(every), space)
    semantic = space.identity.semantic_dimension
    (words,) = calibrated.encoder.encode_texts(["a red wall beside a blue carpet"])
    cosines = vectors[:, :semantic] @ words
    gate = load_gate(calibrated)
    assert gate is not None
    floor = gate.match_floor("text", 0.05)
    strong = [id for id, cosine in zip(every, cosines.tolist(), strict=True) if cosine >= floor]
    assert 0 < len(strong) < len(every)
    assert kept == strong
    assert n_weak == len(every) - len(strong)
