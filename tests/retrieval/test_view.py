"""What a query is answered from: the sample of the collection is drawn once, until it changes."""

from pathlib import Path

import numpy as np
import pytest

from indexer.build import BuildOptions
from indexer.vectors import single_query
from retrieval import ImagePart, Library, Query, TextPart
from retrieval.rejection.library_gate import refit_if_drifted
from retrieval.rejection.uncaptioned import DETECTOR
from retrieval.view import KeptSample, LastFound, View
from tests.stand_ins import ColourEncoder
from tests.stories.test_faults import draw


def test_a_sample_is_drawn_anew_for_another_state() -> None:
    kept, drawn = KeptSample(), []

    def draw_next() -> np.ndarray:
        drawn.append(len(drawn))
        return np.full((2, 3), len(drawn), dtype=np.float32)

    states = [("bank", 1), ("bank", 1), ("bank", 2), ("other", 2), ("bank", 2)]
    assert [kept.of(state, draw_next)[0, 0] for state in states] == [1, 1, 2, 3, 4]


def test_fewer_of_what_was_found_last_are_its_first() -> None:
    last, searched = LastFound(), []

    def found(vector: np.ndarray, k: int) -> list[int]:
        def search() -> tuple[np.ndarray, np.ndarray]:
            searched.append(k)
            return np.arange(k), np.zeros(k, dtype=np.float32)

        ids, similarities = last.of(vector, k, search)
        assert len(similarities) == k
        return ids.tolist()

    one, other = np.ones(3, dtype=np.float32), np.zeros(3, dtype=np.float32)
    assert found(one, 5) == [0, 1, 2, 3, 4]
    assert found(one.copy(), 2) == [0, 1]
    assert found(one, 7) == list(range(7))
    assert found(other, 1) == [0]
    assert found(one, 1) == [0]
    assert searched == [5, 7, 1, 1]


def test_judging_words_without_captions_searches_no_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "photos", range(110))
    with Library.open(tmp_path / "test.library") as library:
        library.index(tmp_path / "photos")
        assert refit_if_drifted(library, lambda _: None)
        library.search("a red square")
        store, searched = library.searcher._store, []
        plainly = store.search

        def counted(*arguments: object, **named: object) -> object:
            searched.append(arguments)
            return plainly(*arguments, **named)

        monkeypatch.setattr(store, "search", counted)
        trust = library.search("a blue square").trust
        assert trust is not None
        assert trust.detector == DETECTOR
        assert len(searched) == 1


def test_searches_share_a_sample_until_the_library_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "photos", range(6))
    sampled: list[int] = []
    plainly = View._sample

    def counted(view: View) -> np.ndarray:
        sampled.append(len(plainly(view)))
        return plainly(view)

    monkeypatch.setattr(View, "_sample", counted)
    picture = ImagePart(image=str(next((tmp_path / "photos").iterdir())))
    query = Query(parts=(TextPart(text="red"), picture))
    with Library.open(tmp_path / "test.library", encoder=ColourEncoder()) as library:
        library.index(tmp_path / "photos")
        first = library.search(query)
        assert library.search(query).hits == first.hits
        assert sampled == [6]
        draw(tmp_path / "photos", range(6, 9))
        library.index(tmp_path / "photos")
        library.search(query)
        assert sampled == [6, 9]


def test_answers_are_the_same_by_a_sketch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every kind of query, to the last digit."""
    draw(tmp_path / "photos", range(40))
    picture = ImagePart(image=str(next((tmp_path / "photos").iterdir())))
    words, unwanted = TextPart(text="red"), TextPart(text="blue", weight=-1.0)
    asked = [(words,), (picture,), (words, picture), (words, unwanted), (unwanted,)]
    queries = [Query(parts=parts) for parts in asked]
    queries.append(Query(parts=(picture, unwanted), intent="but green"))
    monkeypatch.setattr("retrieval.candidates.OVER_FETCH", 2)

    def answers() -> list[object]:
        with Library.open(tmp_path / "test.library", encoder=ColourEncoder()) as library:
            library.index(tmp_path / "photos")
            return [library.search(one, top=3, duplicates=True).hits for one in queries]

    plain, settled = answers(), []
    plainly = single_query._best_by_sketch

    def counted(*of: object) -> object:
        found = plainly(*of)  # type: ignore[arg-type]
        settled.append(found is not None)
        return found

    monkeypatch.setattr(single_query, "_best_by_sketch", counted)
    monkeypatch.setattr(single_query, "ROWS_PER_THREAD", 4)
    monkeypatch.setattr(single_query, "SEARCHES_PER_SKETCH", 0)
    monkeypatch.setattr(single_query, "LEAST_NAMED", 1)
    monkeypatch.setattr(single_query, "MOST_NAMED", 1)
    assert answers() == plain
    assert any(settled)


def test_a_picture_that_another_process_prunes_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vector is still in the store that the query is answered from; its file is not."""
    draw(tmp_path / "photos", range(6))
    folder = tmp_path / "test.library"
    with Library.open(folder, encoder=ColourEncoder()) as library:
        library.index(tmp_path / "photos")
        first = library.search("red", duplicates=True).hits[0]
        plainly = View.nearest

        def pruned_meanwhile(view: View, *asked: object) -> object:
            found = plainly(view, *asked)  # type: ignore[arg-type]
            if Path(first.path).exists():
                Path(first.path).unlink()
                with Library.open(folder, encoder=ColourEncoder()) as other:
                    other.index(tmp_path / "photos", options=BuildOptions(prune=True))
            return found

        monkeypatch.setattr(View, "nearest", pruned_meanwhile)
        for duplicates in (True, False):
            hits = library.search("red", duplicates=duplicates).hits
            assert first.path not in {hit.path for hit in hits}
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert len(library.search("red", duplicates=True).hits) == 5
