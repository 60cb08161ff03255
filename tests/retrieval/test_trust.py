"""Refusing, end to end: what is judged with captions, and what without; rates, drift, damage."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval import ImagePart, Library, Query, TextPart
from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.comparison import compared
from retrieval.rejection.known_texts import caption_source, known_texts
from retrieval.rejection.library_gate import CalibrationOptions, calibrate, refit_if_drifted
from retrieval.rejection.state import WORDS_UNJUDGED
from retrieval.rejection.storage import FOLDER, MANIFEST
from tests.retrieval.cli.conftest import Spectrum, spectrum
from tests.retrieval.rejection.painted import QUICK, paint_many
from tests.stand_ins import ColourEncoder

DATA = Path(__file__).parents[3] / "shared" / "data" / "flickr8k"
NONSENSE = "qzx vbnk thermistor wplk xq"
__all__ = ["spectrum"]


@pytest.fixture(scope="module")
def uncaptioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library that `index` calibrated, with a captions file beside it that nobody named."""
    folder = tmp_path_factory.mktemp("uncaptioned")
    paint_many(folder / "pictures", 120)
    with Library.open(folder / "test.library", encoder=ColourEncoder()) as library:
        library.index(folder / "pictures")
        assert refit_if_drifted(library, lambda _: None)
        yield library


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("captioned")
    paint_many(folder / "pictures", 480)
    with Library.open(folder / "test.library", encoder=ColourEncoder()) as library:
        library.index(folder / "pictures")
        captions = folder / "pictures" / "captions.jsonl"
        calibrate(library, CalibrationOptions(captions=captions, sizes=QUICK))
        yield library


def picture_of(library: Library, number: int) -> Path:
    return Path(library.folder).parent / "pictures" / f"{number}.png"


def test_without_captions_words_are_not_judged_and_the_answer_says_so(
    uncaptioned: Library,
) -> None:
    answer = uncaptioned.search(NONSENSE)
    assert answer.trust is None
    assert len(answer.hits) == 10
    assert answer.ungated == WORDS_UNJUDGED
    assert "spectrum calibrate --captions FILE" in answer.ungated
    assert uncaptioned.search(NONSENSE, false_reject=None).ungated == ""


def test_without_captions_images_are_judged(uncaptioned: Library) -> None:
    answer = uncaptioned.search(image=picture_of(uncaptioned, 3))
    assert answer.trust is not None
    assert answer.trust.n_calibrating == 120
    assert answer.ungated == ""


def test_without_captions_a_mixed_query_is_judged_by_its_image_alone(uncaptioned: Library) -> None:
    image = ImagePart(image=str(picture_of(uncaptioned, 3)))
    both = uncaptioned.search(Query(parts=(TextPart(text=NONSENSE), image)))
    assert both.trust == uncaptioned.search(Query(parts=(image,))).trust
    assert both.ungated == WORDS_UNJUDGED


def test_status_says_which_queries_are_judged(uncaptioned: Library, captioned: Library) -> None:
    without = uncaptioned.trust_status()
    assert without.sentence.startswith("images are judged: calibrated")
    assert without.sentence.endswith(WORDS_UNJUDGED)
    assert set(without.detectors) == {"image"}
    assert set(captioned.trust_status().detectors) == {"image", "text"}


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_fresh_captions_are_refused_no_more_than_promised(
    captioned: Library, tmp_path: Path, rate: float
) -> None:
    # As often as they are said: what is said by many was calibrated as often.
    fresh = paint_many(tmp_path / "others", 200, seed=1)
    trust_of = {text: captioned.search(text, false_reject=rate).trust for text in set(fresh)}
    judged = [trust_of[text] for text in fresh]
    refused = np.mean([not trust.accepted for trust in judged if trust is not None])
    # Three deviations of what a calibration by 120 pictures and a sample of 200 keep: the captions
    # of a picture are refused together.
    spread = 3 * np.sqrt(rate * (1 - rate) * (1 / 120 + 1 / 200))
    assert refused <= rate + spread


def test_the_rate_that_is_stored_gives_the_threshold(captioned: Library) -> None:
    trust = captioned.search("a red wall beside a blue carpet", false_reject=0.05).trust
    assert trust is not None
    n = trust.n_calibrating
    assert trust.threshold == pytest.approx((int(0.05 * (n + 1)) + 1) / (n + 1))
    assert (trust.conformity, trust.confidence) == (None, None)


def test_drift_refits_and_the_same_pictures_do_not(tmp_path: Path) -> None:
    paint_many(tmp_path / "pictures", 110)
    with Library.open(tmp_path / "test.library", encoder=ColourEncoder()) as library:
        library.index(tmp_path / "pictures")
        assert refit_if_drifted(library, lambda _: None)
        assert not refit_if_drifted(library, lambda _: None)
        paint_many(tmp_path / "few", 5, seed=1)
        library.index(tmp_path / "few")
        assert not refit_if_drifted(library, lambda _: None)
        assert "4.3% of the pictures have changed since" in library.trust_status().sentence
        paint_many(tmp_path / "many", 40, seed=2)
        library.index(tmp_path / "many")
        assert "29% of the pictures" in library.trust_status().sentence
        assert refit_if_drifted(library, lambda _: None)
        assert library.trust_status().drift == 0.0


def test_a_damaged_gate_is_said_and_refitted(uncaptioned: Library, tmp_path: Path) -> None:
    shutil.copytree(uncaptioned.folder, tmp_path / "copy.library")
    (arrays,) = (tmp_path / "copy.library" / FOLDER).glob("gate-*.npz")
    arrays.write_bytes(arrays.read_bytes()[:1000])
    with Library.open(tmp_path / "copy.library", encoder=ColourEncoder()) as library:
        answer = library.search(image=picture_of(uncaptioned, 0))
        assert answer.hits
        assert answer.trust is None
        assert "a damaged calibration" in answer.ungated
        said: list[str] = []
        assert refit_if_drifted(library, said.append)
        assert said[0] == "the last calibration cannot be read: calibrating again"
        assert library.trust_status().calibrated


def test_the_captions_of_the_last_calibration_are_remembered(captioned: Library) -> None:
    source = caption_source(captioned, None, None, lambda _: None)
    assert source is not None
    assert source.file == picture_of(captioned, 0).with_name("captions.jsonl")
    assert source.split is None


def test_those_of_an_older_version_are_remembered_too(captioned: Library, tmp_path: Path) -> None:
    shutil.copytree(captioned.folder, tmp_path / "copy.library")
    manifest = tmp_path / "copy.library" / FOLDER / MANIFEST
    said = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(said | {"version": said["version"] - 1}))
    with Library.open(tmp_path / "copy.library", encoder=ColourEncoder()) as library:
        assert "a calibration of version" in library.search(NONSENSE).ungated
        source = caption_source(library, None, None, lambda _: None)
        assert source is not None
        assert source.file == picture_of(captioned, 0).with_name("captions.jsonl")


def test_captions_that_are_gone_leave_words_unjudged_and_say_so(
    captioned: Library, tmp_path: Path
) -> None:
    shutil.copytree(captioned.folder, tmp_path / "copy.library")
    manifest = tmp_path / "copy.library" / FOLDER / MANIFEST
    said = json.loads(manifest.read_text())
    said["provenance"]["captions_file"] = str(tmp_path / "gone.jsonl")
    manifest.write_text(json.dumps(said))
    notes: list[str] = []
    with Library.open(tmp_path / "copy.library", encoder=ColourEncoder()) as library:
        calibrate(library, CalibrationOptions(), notes.append)
        assert library.search(NONSENSE).ungated == WORDS_UNJUDGED
    assert notes[0].startswith(f"{tmp_path / 'gone.jsonl'} is gone")
    assert notes[-1] == WORDS_UNJUDGED


def test_captions_of_other_pictures_are_left_out_and_counted(
    captioned: Library, tmp_path: Path
) -> None:
    mine = picture_of(captioned, 0)
    rows = [
        {"image": str(mine), "captions": ["a red wall", "a wall"]},
        {"image": "elsewhere.png", "captions": ["a ship", "a sail", "a mast"]},
    ]
    file = tmp_path / "captions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = caption_source(captioned, file, None, lambda _: None)
    assert source is not None
    ids = captioned.catalogue.searchable_ids(captioned.space.id)
    notes: list[str] = []
    known = known_texts(captioned, source, ids, notes.append)
    assert known.texts == ["a red wall", "a wall"]
    assert known.rows[0] == known.rows[1] >= 0
    assert notes == ["3 captions of pictures that are not here are left out"]
    file.write_text(json.dumps(rows[1]) + "\n")
    with pytest.raises(CalibrationError, match="not one caption is of a picture of this library"):
        calibrate(captioned, CalibrationOptions(captions=file))


def test_text_detectors_are_not_compared_without_captions(
    uncaptioned: Library, tmp_path: Path
) -> None:
    (tmp_path / "known.txt").write_text("a red wall\n")
    (tmp_path / "unknown.txt").write_text("a ship\n")
    with pytest.raises(CalibrationError, match="run 'spectrum calibrate --captions FILE'"):
        compared(uncaptioned, tmp_path / "known.txt", [tmp_path / "unknown.txt"])


def test_the_command_line_judges_words_only_once_it_has_captions(
    spectrum: Spectrum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retrieval.rejection.text_fitting.Sizes", lambda: QUICK)
    paint_many(tmp_path / "pictures", 120)
    indexed = spectrum("index", tmp_path / "pictures")
    assert WORDS_UNJUDGED in indexed.err
    asked = spectrum("search", NONSENSE, "-f")
    assert (len(asked.out.splitlines()), asked.err) == (10, "")
    assert WORDS_UNJUDGED in spectrum("search", NONSENSE, "--explain").err
    assert json.loads(spectrum("search", NONSENSE, "--format", "json").out)["ungated"]
    status = json.loads(spectrum("status", "--format", "json").out)
    assert set(status["trust"]["detectors"]) == {"image"}

    taught = spectrum("calibrate", "--captions", tmp_path / "pictures" / "captions.jsonl")
    assert (taught.code, "sentence: void-mixture" in taught.err) == (0, True)
    refused = spectrum("search", NONSENSE, "--exit-status")
    assert (refused.code, refused.out) == (1, "")
    assert "nothing here matches: no description of this library's pictures mentions" in refused.err
    for flag in ("--show-rejected", "--no-reject"):
        assert len(spectrum("search", NONSENSE, flag, "-f").out.splitlines()) == 10
    assert spectrum("search", NONSENSE, "--false-reject", "2").code == 2


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data/flickr8k is not here")
def test_people_are_refused_as_rarely_as_promised(tmp_path: Path) -> None:
    """What 150 photographs' other captions are refused after calibrating with two of each."""
    lines = (DATA / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["split"] == "dev"][:150]
    taught = [{"image": str(DATA / row["image"]), "captions": row["captions"][:2]} for row in rows]
    captions = tmp_path / "captions.jsonl"
    captions.write_text("".join(json.dumps(row) + "\n" for row in taught))
    with Library.open(tmp_path / "flickr.library", encoder="embedded") as library:
        library.index(*(row["image"] for row in taught))
        calibrate(library, CalibrationOptions(captions=captions, false_reject=0.2, sizes=QUICK))
        judged = [library.search(row["captions"][4], false_reject=0.2).trust for row in rows]
        gibberish = library.search("qzxv bnk wplk xqzt vvbr nmk", false_reject=0.2).trust
    refused = np.mean([not trust.accepted for trust in judged if trust is not None])
    # One calibration of about 75 sentences and one sample of 150 differ by 0.056 from 0.2.
    assert refused <= 0.2 + 3 * 0.056
    assert gibberish is not None
    assert not gibberish.accepted
