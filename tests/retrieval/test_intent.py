"""Intent: the equations by loops, what intents speak of, and searching with one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from retrieval import ImagePart, Library, Query, QueryError, TextPart
from retrieval.ranking.attributes import ATTRIBUTES, spoken_of
from retrieval.ranking.composition import image_query
from retrieval.ranking.intent import (
    attribute_profile,
    intended_image,
    intended_query,
    kept_attributes,
    value_contrast,
)
from tests.references.intent import (
    intended_query_loop,
    profile_similarity_loop,
    value_contrast_loop,
)
from tests.refiners import StillRefiner
from tests.stand_ins import ColourEncoder

S, V = 7, 5


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def stored(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.concatenate([unit(rng, n, S), unit(rng, n, V)], axis=1)


def encode(texts: Sequence[str]) -> np.ndarray:
    """A vector of each text alone, the same in every run."""
    return np.concatenate([unit(np.random.default_rng(list(t.encode())), 1, S) for t in texts])


def test_the_equations_against_loops() -> None:
    rng = np.random.default_rng(0)
    features, moved = rng.normal(size=(2, 11)).astype(np.float32)
    np.testing.assert_allclose(
        intended_query(features, moved, 0.3),
        intended_query_loop(features.tolist(), moved.tolist(), 0.3),
        rtol=1e-5,
        atol=1e-6,
    )
    values, (one, other, mean) = unit(rng, 3, S), unit(rng, 3, S)
    np.testing.assert_allclose(
        value_contrast(values, 1), value_contrast_loop(values.tolist(), 1), rtol=1e-5, atol=1e-6
    )
    assert float(attribute_profile(values, one, mean) @ other) == pytest.approx(
        profile_similarity_loop(values.tolist(), one.tolist(), other.tolist(), mean.tolist()),
        abs=1e-5,
    )


def test_contrasts_of_an_attribute_sum_to_nothing() -> None:
    values = unit(np.random.default_rng(1), 5, S)
    total = sum(value_contrast(values, chosen) for chosen in range(5))
    np.testing.assert_allclose(total, np.zeros(S), atol=1e-6)


@given(st.integers(0, 20), st.sampled_from(["but red", "the same colour", "in the rain"]))
def test_strength_0_is_the_image_bit_for_bit(seed: int, intent: str) -> None:
    rng = np.random.default_rng(seed)
    query = image_query(unit(rng, S), unit(rng, V), 0.9)
    made = intended_image(query, intent, 0.0, sample=stored(rng, 13), semantic=S, encode=encode)
    assert made.query.tobytes() == query.tobytes()
    assert made.level == 0


@given(st.integers(0, 20), st.floats(0.01, 3))
def test_an_average_picture_keeps_its_similarity(seed: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    query, sample = image_query(unit(rng, S), unit(rng, V), 0.5), stored(rng, 17)
    made = intended_image(query, "but red", strength, sample=sample, semantic=S, encode=encode)
    before, after = sample @ query, sample @ made.query - made.level
    assert float(after.mean()) == pytest.approx(float(before.mean()), abs=1e-4)


def test_an_intent_is_linear_in_its_strength() -> None:
    rng = np.random.default_rng(2)
    query, sample = image_query(unit(rng, S), unit(rng, V), 0.5), stored(rng, 17)
    none, half, whole = (
        intended_image(query, "two of them", d, sample=sample, semantic=S, encode=encode).query
        for d in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(half, (none + whole) / 2, atol=1e-6)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_pictures_to_tell_a_spread(n: int) -> None:
    rng = np.random.default_rng(3)
    query, sample = image_query(unit(rng, S), unit(rng, V), 0.5), stored(rng, n)
    made = intended_image(query, "the same shape", 1.0, sample=sample, semantic=S, encode=encode)
    assert np.isfinite(made.query).all()


@pytest.mark.parametrize(
    ("intent", "asked", "kept"),
    [
        ("but red", [("colour", "red")], []),
        ("the same shape, but with stripes", [("pattern", "striped")], ["shape"]),
        ("with three of them", [("number", "three")], []),
        ("only one of them", [("number", "one")], []),
        ("the red one", [("colour", "red")], []),
        ("the same color", [], ["colour"]),
        ("Two LARGE cubes", [("shape", "cube"), ("number", "two"), ("size", "large")], []),
        ("spotted instead", [("pattern", "dotted")], []),
        ("made of wood", [("pattern", "wooden")], []),
        ("at a wedding", [], []),
        ("", [], []),
    ],
)
def test_what_an_intent_speaks_of(
    intent: str, asked: list[tuple[str, str]], kept: list[str]
) -> None:
    spoken = spoken_of(intent)
    assert [(attribute.name, value) for attribute, value in spoken.asked] == asked
    assert [attribute.name for attribute in spoken.kept] == kept


@pytest.mark.parametrize(
    ("intent", "kept"),
    [
        ("but red", ["shape"]),
        ("a cube", ["colour"]),
        ("a red cube", []),
        ("the same size, but red", ["size"]),
        ("the same size", ["size"]),
        ("at a wedding", []),
    ],
)
def test_what_words_leave_as_it_is(intent: str, kept: list[str]) -> None:
    assert [attribute.name for attribute in kept_attributes(spoken_of(intent))] == kept


def test_every_value_and_synonym_is_read_as_itself() -> None:
    for attribute in ATTRIBUTES:
        for value in attribute.values:
            said = "only one" if value == "one" else value
            assert (attribute, value) in spoken_of(said).asked
        assert set(attribute.synonyms.values()) <= set(attribute.values)


# A story -----------------------------------------------------------------------------------------


@pytest.fixture
def striped(library: Library, tmp_path: Path) -> Library:
    """Pictures of a left and a right half, in colours that the stand-in encoder knows."""
    halves = {
        "red-white": ((255, 0, 0), (255, 255, 255)),
        "blue-white": ((0, 0, 255), (255, 255, 255)),
        "white-blue": ((255, 255, 255), (0, 0, 255)),
        "green-green": ((0, 255, 0), (0, 255, 0)),
        "blue-blue": ((0, 0, 255), (0, 0, 255)),
    }
    (tmp_path / "halves").mkdir()
    for name, (left, right) in halves.items():
        image = Image.new("RGB", (40, 40), left)
        image.paste(right, (20, 0, 40, 40))
        image.save(tmp_path / "halves" / f"{name}.png")
    library.index(tmp_path / "halves")
    return library


def best(library: Library, image: Path, intent: str, strength: float = 1.0) -> list[str]:
    answer = library.search(image=image, intent=intent, intent_strength=strength)
    return [Path(hit.path).stem for hit in answer.hits]


def test_the_same_in_another_colour(striped: Library, tmp_path: Path) -> None:
    red = tmp_path / "halves" / "red-white.png"
    found = best(striped, red, "but blue", 2.0)
    assert found.index("blue-white") < found.index("green-green")
    assert found.index("blue-white") < found.index("red-white")


def test_strength_0_is_the_search_without_an_intent(striped: Library, tmp_path: Path) -> None:
    red = tmp_path / "halves" / "red-white.png"
    plain = striped.search(image=red)
    assert striped.search(image=red, intent="but blue", intent_strength=0.0).hits == plain.hits
    assert striped.search(image=red, intent="but blue").hits != plain.hits
    both = striped.search("white", image=red)
    with_words = striped.search("white", image=red, intent="but blue", intent_strength=0.0)
    assert with_words.hits == both.hits


def test_an_intent_beside_words(striped: Library, tmp_path: Path) -> None:
    image = tmp_path / "halves" / "red-white.png"
    answer = striped.search("white", image=image, intent="but blue", intent_strength=2.0)
    stems = [Path(hit.path).stem for hit in answer.hits]
    assert stems.index("blue-white") < stems.index("blue-blue")
    assert len(answer.hits[0].parts) == 2


def test_intents_that_make_no_sense(striped: Library, tmp_path: Path) -> None:
    image = tmp_path / "halves" / "red-white.png"
    with pytest.raises(QueryError, match="the intent 'but blue' is about an image"):
        striped.search("red", intent="but blue")
    with pytest.raises(QueryError, match="strength is from 0 to 10, not -1"):
        striped.search(image=image, intent="but blue", intent_strength=-1.0)
    with pytest.raises(QueryError, match="strength is from 0 to 10, not nan"):
        Query(parts=(ImagePart(image="a.png"),), intent="red", intent_strength=float("nan"))
    with pytest.raises(QueryError, match="about an image"):
        Query(parts=(TextPart(text="a"), ImagePart(image="a.png", weight=-1.0)), intent="red")


def test_refined_vectors_heed_an_intent_too(tmp_path: Path, striped: Library) -> None:
    """Stored vectors have one number more, the hubness, which no image has anything to do with."""
    red = tmp_path / "halves" / "red-white.png"
    with Library.open(
        tmp_path / "refined.library", encoder=ColourEncoder(), refiner=StillRefiner()
    ) as refined:
        refined.index(tmp_path / "halves")
        plain = refined.search(image=red)
        none = refined.search(image=red, intent="but blue", intent_strength=0.0)
        assert none.hits == plain.hits
        assert best(refined, red, "but blue", 0.0)[0] == "red-white"
        found = best(refined, red, "but blue", 2.0)
        assert found.index("blue-white") < found.index("red-white")
        assert found.index("blue-white") < found.index("green-green")
