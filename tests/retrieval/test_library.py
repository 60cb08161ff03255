"""Searching: what is found, in which order, and what the Python API takes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.images import UnreadableImageError
from retrieval import ImagePart, Library, LibraryNotFoundError, Query, QueryError, TextPart
from retrieval.candidates import exact_similarities
from spectrum.stack.lexicon import Lexicon
from tests.refiners import MeanRefiner
from tests.stand_ins import ColourEncoder

Paint = Callable[..., Path]


def names(library: Library, query: str | Query, top: int = 10) -> list[str]:
    return [Path(hit.path).name for hit in library.search(query, top=top).hits]


@pytest.fixture
def filled(library: Library, pictures: Path) -> Library:
    library.index(pictures)
    return library


def test_words_and_images_and_both(filled: Library, pictures: Path) -> None:
    assert names(filled, "yellow")[0] == "yellow.png"
    by_image = filled.search(image=pictures / "blue.png").hits
    assert (Path(by_image[0].path).name, by_image[0].rank) == ("blue.png", 1)
    assert by_image[0].similarity == pytest.approx(1, abs=1e-5)
    both = filled.search("red", image=pictures / "green.png").hits
    assert [Path(both[i].path).name for i in (0, -1)] == ["yellow.png", "blue.png"]
    assert len(both[0].parts) == 2


def test_a_word_that_the_encoder_does_not_know_finds_what_the_stack_saw_it_said_of(
    tmp_path: Path, pictures: Path
) -> None:
    encoder, refiner = ColourEncoder(), MeanRefiner(neighbours=1)
    with Library.open(tmp_path / "a", encoder=encoder, refiner=refiner) as library:
        library.index(pictures)
        before, others = names(library, "zaffre"), names(library, "yellow")
        found = library.search("green", top=1).hits[0]
        green = library.catalogue.vectors(np.array([found.image_id]), library.space)
    assert before[0] != "green.png"
    refiner.lexicon = Lexicon(("zaffre",), np.ones((1, 1), dtype=np.float32), green, 4.0)
    with Library.open(tmp_path / "a", encoder=encoder, refiner=refiner) as library:
        assert names(library, "zaffre")[0] == "green.png"
        assert names(library, "yellow") == others
        by_image = library.search(image=pictures / "blue.png").hits
        assert Path(by_image[0].path).name == "blue.png"


def test_less_of_something(filled: Library) -> None:
    parts = (TextPart(text="yellow"), TextPart(text="green", weight=-1.0))
    ranked = names(filled, Query(parts=parts))
    assert ranked.index("red.png") < ranked.index("green.png")
    assert names(filled, Query(parts=(TextPart(text="red", weight=-1.0),)))[-1] == "red.png"


def test_path_bytes_and_opened_image_agree(filled: Library, pictures: Path) -> None:
    path = pictures / "red.png"
    answers = [
        filled.search(image=path),
        filled.search(image=str(path)),
        filled.search(image=path.read_bytes()),
        filled.search(image=Image.open(path)),
    ]
    assert all(answer.hits == answers[0].hits for answer in answers)


def test_similar_leaves_the_very_image_out(filled: Library, pictures: Path) -> None:
    red = pictures / "red.png"
    assert "red.png" not in [Path(hit.path).name for hit in filled.similar(red).hits]
    assert Path(filled.similar(red, itself=True).hits[0].path).name == "red.png"
    assert len(filled.similar(red, top=4).hits) == 4


def test_the_top_5_is_a_prefix_of_the_top_15(library: Library, tmp_path: Path) -> None:
    """Many equal scores: order is (score, image id), whatever is asked for."""
    rng = np.random.default_rng(0)
    (tmp_path / "p").mkdir()
    for i in range(40):
        colour = tuple(rng.choice([0, 255], size=3).tolist())
        Image.new("RGB", (20 + i, 20), colour).save(tmp_path / "p" / f"{i}.png")
    library.index(tmp_path / "p")
    for words in ("red", "green", "white"):
        ranked = [hit.image_id for hit in library.search(words, top=40).hits]
        assert len(set(ranked)) == 40
        for top in (1, 5, 15):
            assert [h.image_id for h in library.search(words, top=top).hits] == ranked[:top]
        scores = [(-hit.similarity, hit.image_id) for hit in library.search(words, top=40).hits]
        assert scores == sorted(scores)


def test_a_score_does_not_depend_on_its_companions() -> None:
    rng = np.random.default_rng(0)
    stored = rng.normal(size=(37, 101)).astype(np.float32)
    query = rng.normal(size=(1, 101)).astype(np.float32)
    together = exact_similarities(stored, query)
    for i in range(len(stored)):
        assert exact_similarities(stored[i : i + 1], query)[0, 0] == together[i, 0]


def test_nothing_to_search(library: Library, tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFoundError, match="is empty: fill it"):
        library.search("red")
    with pytest.raises(LibraryNotFoundError, match="there is no library in"):
        Library.open(tmp_path / "none.library", create=False)


def test_queries_that_make_no_sense(filled: Library, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="the query is empty"):
        filled.search()
    with pytest.raises(ValueError, match="top must be at least 1, not 0"):
        filled.search("red", top=0)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(UnreadableImageError, match=r"text.jpg: not an image"):
        filled.search(image=tmp_path / "text.jpg")
    with pytest.raises(UnreadableImageError):
        filled.search(Query(parts=(ImagePart(image=b""),)))


def test_a_library_reopens_as_it_was(filled: Library) -> None:
    before = filled.search("red")
    with Library.open(filled.folder, encoder=ColourEncoder()) as again:
        assert again.search("red").hits == before.hits
