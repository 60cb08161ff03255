"""Words in a library whose captions nobody named: judged by what texts let expect."""

import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval import ImagePart, Library, Query, TextPart
from retrieval.answer import Trust
from retrieval.rejection.calibration import CalibrationError
from retrieval.rejection.comparison import compared
from retrieval.rejection.library_gate import CalibrationOptions, calibrate, refit_if_drifted
from retrieval.rejection.state import WORDS_BY_OTHERS
from retrieval.rejection.uncaptioned import (
    DETECTOR,
    MISSPELT,
    TOO_FAR,
    UncaptionedWords,
    uncaptioned_words,
)
from spectrum.encoders.embedded import EmbeddedEncoder
from tests.retrieval.rejection.painted import QUICK, paint_many
from tests.stand_ins import ColourEncoder

NONSENSE = "asdkjh qwe zxcv"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """Painted walls, seen by the encoder that ships; a captions file that nobody named."""
    folder = tmp_path_factory.mktemp("uncaptioned")
    paint_many(folder / "pictures", 120)
    with Library.open(folder / "test.library") as library:
        library.index(folder / "pictures")
        assert refit_if_drifted(library, lambda _: None)
        yield library


def trust_of(library: Library, text: str) -> Trust:
    trust = library.search(text).trust
    assert trust is not None
    return trust


def test_nonsense_is_refused_and_the_answer_says_by_whom(library: Library) -> None:
    answer = library.search(NONSENSE)
    assert answer.trust is not None
    assert (answer.hits, answer.ungated) == ((), "")
    assert (answer.trust.accepted, answer.trust.detector) == (False, DETECTOR)
    assert answer.trust.reasons == (MISSPELT,)
    assert answer.trust.threshold == pytest.approx(0.06)
    assert library.search(NONSENSE, show_rejected=True).hits


def test_what_is_spelled_well_and_far_from_all_is_too_far(library: Library) -> None:
    trust = trust_of(library, "a crowd of people at a football match in the rain")
    assert trust.reasons == (TOO_FAR,)


def test_the_trust_depends_on_the_query_and_the_library_alone(library: Library) -> None:
    first = trust_of(library, "a red wall")
    for top, show_rejected in itertools.product((1, 30), (False, True)):
        assert library.search("a red wall", top=top, show_rejected=show_rejected).trust == first
    assert library.search("a red wall", where="path:*1.png").trust == first


def test_neither_frame_nor_article_changes_the_trust(library: Library) -> None:
    bare, *others = (
        trust_of(library, text).trust
        for text in ("red wall", "a red wall", "a photo of a red wall", "picture of the red wall")
    )
    assert others == pytest.approx([bare] * 3, abs=0.02)


def test_a_higher_rate_refuses_all_that_a_lower_one_does(library: Library) -> None:
    for text in (NONSENSE, "a wall", "a red wall beside a blue carpet", "dog", "walrus"):
        judged = [library.search(text, false_reject=rate).trust for rate in (0.01, 0.05, 0.2, 0.6)]
        accepted = [trust is not None and trust.accepted for trust in judged]
        assert accepted == sorted(accepted, reverse=True)


def test_words_and_an_image_are_judged_together(library: Library) -> None:
    image = ImagePart(image=str(Path(library.folder).parent / "pictures" / "3.png"))
    alone = library.search(Query(parts=(image,))).trust
    both = library.search(Query(parts=(image, TextPart(text=NONSENSE)))).trust
    assert alone is not None
    assert both is not None
    assert (alone.accepted, both.accepted) == (True, False)
    unwanted = library.search(Query(parts=(image, TextPart(text=NONSENSE, weight=-0.3))))
    assert unwanted.trust == alone


def test_status_says_whose_captions_judge(library: Library) -> None:
    assert library.trust_status().sentence.endswith(WORDS_BY_OTHERS)


def test_captions_of_its_own_take_over(library: Library, tmp_path: Path) -> None:
    paint_many(tmp_path / "pictures", 240)
    with Library.open(tmp_path / "test.library") as other:
        other.index(tmp_path / "pictures")
        captions = tmp_path / "pictures" / "captions.jsonl"
        calibrate(other, CalibrationOptions(captions=captions, sizes=QUICK))
        trust = other.search("a red wall beside a blue carpet").trust
        assert trust is not None
        assert trust.detector == "void-mixture"


def test_it_is_compared_with_all_others_and_alone_where_there_are_no_captions(
    library: Library, tmp_path: Path
) -> None:
    known, unknown = tmp_path / "known.txt", tmp_path / "unknown.txt"
    known.write_text("a red wall\na blue carpet\nred and blue\n")
    unknown.write_text("asdkjh qwe\nxkqzvw zzkqj\n")
    (alone,) = compared(library, known, [unknown])
    assert (alone.detector, alone.separations[0].accepted) == (DETECTOR, 0.0)
    accepted = [trust_of(library, text).accepted for text in known.read_text().splitlines()]
    assert alone.false_rejects == pytest.approx(1 - np.mean(accepted))
    captions = Path(library.folder).parent / "pictures" / "captions.jsonl"
    shutil.copytree(library.folder, tmp_path / "copy.library")
    with Library.open(tmp_path / "copy.library") as other:
        calibrate(other, CalibrationOptions(captions=captions, sizes=QUICK))
        names = (DETECTOR, "max-cosine")
        both = compared(other, known, [unknown], names=names, sizes=QUICK)
    assert [one.detector for one in both] == [DETECTOR, "max-cosine"]
    np.testing.assert_allclose(both[0].known, alone.known)
    with pytest.raises(CalibrationError, match="--captions FILE"):
        compared(library, known, [unknown], names=("max-cosine",))


def test_of_other_encoders_nothing_is_known(tmp_path: Path) -> None:
    assert uncaptioned_words(ColourEncoder()) is None
    shipped = uncaptioned_words(EmbeddedEncoder())
    assert isinstance(shipped, UncaptionedWords)
    encoder = EmbeddedEncoder()
    encoder._identity = replace(encoder.identity, weights_hash="0" * 32)
    assert uncaptioned_words(encoder) is None


@pytest.mark.realdata
def test_the_promise_holds_for_photographs_that_taught_nothing(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "flickr8k"
    rows = map(json.loads, (folder / "captions.jsonl").read_text().splitlines())
    # The odd ones: the even ones gave the levels.
    dev = [row for row in rows if row.get("split") == "dev"][1::2][:150]
    with Library.open(tmp_path / "test.library") as library:
        library.index(*(folder / row["image"] for row in dev))
        assert refit_if_drifted(library, lambda _: None)
        good = [row["captions"][0] for row in dev]
        refused = np.mean([not trust_of(library, text).accepted for text in good])
        assert refused <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(good))
        dice = np.random.default_rng(0)
        letters = list("abcdefghijklmnopqrstuvwxyz")
        odd = ["".join(dice.choice(letters, size=8)) for _ in range(60)]
        assert np.mean([not trust_of(library, text).accepted for text in odd]) >= 0.8
