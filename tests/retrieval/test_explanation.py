"""Why hits are where they are: of refined libraries, of others, and of pictures in between."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Bool, Float32

from indexer.banks import BankRow, current_bank
from indexer.captions import CaptionRow, store_captions
from indexer.neighbourhoods import neighbourhood
from retrieval import Hit, Library
from retrieval.answer import Why
from retrieval.explanation import CHOSEN_RANKING, OTHER_STACK, UNREFINED
from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack.protocol import Explanation, Refiner
from tests.refiners import MeanRefiner
from tests.stand_ins import ColourEncoder
from tests.stories.test_faults import draw

N = 12
TEXT_WEIGHTS = {"encoder": 0.75, "castle": 0.25}
IMAGE_WEIGHTS = {"encoder": 0.1, "castle": 0.9}


class TellingRefiner(MeanRefiner):
    """A neighbour's influence is its squared distance, beyond a tenth; counts who is explained."""

    n_explained = 0

    def explain(
        self,
        local: Float32[np.ndarray, "M D"],
        prompts: Float32[np.ndarray, "M S"],
        member_mask: Bool[np.ndarray, "M"],
    ) -> Explanation:
        self.n_explained += 1
        apart = ((local[1:] - local[0]) ** 2).sum(axis=1)
        influences = np.where(apart > 0.1, apart, 0).astype(np.float32)
        return Explanation(TEXT_WEIGHTS, IMAGE_WEIGHTS, influences)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", range(N))
    return tmp_path / "photos"


@pytest.fixture
def refiner() -> TellingRefiner:
    return TellingRefiner(neighbours=5)


@pytest.fixture
def refined(tmp_path: Path, photos: Path, refiner: TellingRefiner) -> Iterator[Library]:
    folder = tmp_path / "refined.library"
    with Library.open(folder, encoder=ColourEncoder(), refiner=refiner) as library:
        library.index(photos)
        yield library


def bank_of(library: Library) -> BankRow:
    bank = current_bank(library.catalogue, library.space.id)
    assert bank
    return bank


def why_of(hit: Hit) -> Why:
    assert hit.why
    return hit.why


def test_the_hits_that_are_shown_are_explained_and_no_other(
    refined: Library, refiner: TellingRefiner
) -> None:
    answer = refined.search("red", top=2, duplicates=True, explain=True)
    assert (len(answer.hits), refiner.n_explained, answer.unexplained) == (2, 2, "")
    for hit in answer.hits:
        assert why_of(hit).text_weights == TEXT_WEIGHTS
        assert why_of(hit).image_weights == IMAGE_WEIGHTS
    assert {hit.why for hit in refined.search("red", top=2).hits} == {None}
    assert refiner.n_explained == 2


def test_explaining_changes_neither_hits_nor_order(refined: Library) -> None:
    plain = refined.search("blue", top=N).hits
    told = refined.search("blue", top=N, explain=True).hits
    assert [(hit.path, hit.similarity) for hit in told] == [
        (hit.path, hit.similarity) for hit in plain
    ]


def test_neighbours_that_moved_a_hit_are_named_most_first(refined: Library) -> None:
    (hit,) = refined.search("green", top=1, explain=True).hits
    among = neighbourhood(refined.catalogue, refined.space, bank_of(refined), hit.image_id)
    apart = ((among.local[1:] - among.local[0]) ** 2).sum(axis=1).tolist()
    by_id = dict(zip(among.neighbour_ids.tolist(), apart, strict=True))
    wanted = sorted((id for id in by_id if by_id[id] > 0.1), key=lambda id: -by_id[id])
    told = why_of(hit).neighbours
    assert [each.image_id for each in told] == wanted
    assert 0 < len(told) <= 5
    paths = refined.catalogue.paths_of(wanted)
    for each in told:
        assert [each.path] == paths[each.image_id]
        assert each.influence == pytest.approx(by_id[each.image_id], rel=1e-5)


@pytest.mark.parametrize("words", [None, "red"])
def test_image_and_composed_queries_are_explained_too(
    refined: Library, photos: Path, refiner: TellingRefiner, words: str | None
) -> None:
    answer = refined.search(words, image=photos / "003.png", top=3, explain=True)
    assert refiner.n_explained == len(answer.hits) == 3
    assert all(why_of(hit).image_weights == IMAGE_WEIGHTS for hit in answer.hits)


def test_captions_are_those_of_the_library(refined: Library) -> None:
    (hit,) = refined.search("red", top=1, explain=True).hits
    assert why_of(hit).captions == ()
    said = {"captioner": "four patches", "me": "my wall"}
    store_captions(
        refined.catalogue,
        [CaptionRow(content_id=hit.image_id, text=said[who], model=who) for who in said],
    )
    (hit,) = refined.search("red", top=1, explain=True).hits
    assert why_of(hit).captions == ("four patches", "my wall")


def test_a_library_that_is_not_refined_says_so(tmp_path: Path, photos: Path) -> None:
    with Library.open(tmp_path / "plain.library", encoder=ColourEncoder()) as library:
        library.index(photos)
        caption = CaptionRow(
            content_id=library.search("red").hits[0].image_id, text="a", model="me"
        )
        store_captions(library.catalogue, [caption])
        answer = library.search("red", top=2, explain=True)
    assert answer.unexplained == UNREFINED
    assert [hit.why for hit in answer.hits] == [Why(captions=("a",)), Why()]


def test_a_ranking_without_modules_says_so(refined: Library, refiner: TellingRefiner) -> None:
    answer = refined.search("red", top=2, ranking="raw", explain=True)
    assert (answer.unexplained, refiner.n_explained) == (CHOSEN_RANKING, 0)
    assert [hit.why for hit in answer.hits] == [Why(), Why()]


def test_a_picture_that_waits_for_refinement_is_told_apart(
    refined: Library, tmp_path: Path, photos: Path
) -> None:
    draw(photos, range(50, 51))
    with Library.open(refined.folder, encoder=ColourEncoder(), budget="none") as unrefining:
        unrefining.index(photos)
    answer = refined.search("red", top=N + 1, duplicates=True, explain=True)
    told = {Path(hit.path).name: why_of(hit).text_weights for hit in answer.hits}
    assert told.pop("050.png") == {}
    assert list(told.values()) == [TEXT_WEIGHTS] * N


def test_a_neighbour_whose_file_is_missing_has_no_path(refined: Library, photos: Path) -> None:
    (hit,) = refined.search("green", top=1, explain=True).hits
    first = why_of(hit).neighbours[0]
    Path(first.path).unlink()
    refined.index(photos)
    (hit,) = refined.search("green", top=1, explain=True).hits
    assert why_of(hit).neighbours[0].path == ""
    assert why_of(hit).neighbours[0].influence == first.influence


def test_another_stack_explains_nothing(refined: Library) -> None:
    other = TellingRefiner(weights="second")
    with Library.open(refined.folder, encoder=ColourEncoder(), refiner=other) as library:
        answer = library.search("red", top=1, explain=True)
    assert (answer.unexplained, other.n_explained) == (OTHER_STACK, 0)


def test_a_stack_that_cannot_be_read_is_told_and_the_answer_stands(
    refined: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> Refiner | None:
        raise ModelUnavailableError("mine.stack: there is no such file")

    monkeypatch.setattr("retrieval.library.library_refiner", gone)
    with Library.open(refined.folder, encoder=ColourEncoder()) as library:
        answer = library.search("red", top=2, explain=True)
    assert answer.unexplained == "mine.stack: there is no such file"
    assert len(answer.hits) == 2
