"""The blocks of the report: worked examples, copies and missing images, then the loops."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evaluation import directions
from retrieval.evaluation.blocks import Block, block_as_json, block_of, unique_contents
from retrieval.evaluation.intervals import Estimate
from tests.references import metrics as loops


def measured(direction: Callable[..., directions.Ranked]) -> Callable[..., Block]:
    """Ranks in a direction and averages."""

    def block(*arrays: np.ndarray, seed: int = 0, **options: np.ndarray) -> Block:
        return block_of(direction(*arrays, **options), seed=seed)

    return block


text_to_image = measured(directions.text_to_image)
image_to_text = measured(directions.image_to_text)
image_to_image = measured(directions.image_to_image)
class_to_image = measured(directions.class_to_image)


def value(block: Block, key: str) -> float:
    figure = block[key]
    assert isinstance(figure, Estimate)
    return figure.value


# The worked example of docs/evaluation.md: captions 0 and 1 are of image 0, 2 of image 1 and 3 of
# image 2. With these image vectors a caption's coordinates are its scores.
IMAGES = np.eye(3, dtype=np.float32)
CAPTIONS = np.array(
    [[0.9, 0.1, 0.2], [0.3, 0.5, 0.1], [0.2, 0.6, 0.4], [0.6, 0.7, 0.5]], np.float32
)
OWNERS = np.array([0, 0, 1, 2])


class TestWorkedExample:
    def test_text_to_image(self) -> None:
        # Ranks of the right image: 1, 2, 1, 3.
        block = text_to_image(IMAGES, CAPTIONS, OWNERS)
        assert value(block, "hit@1") == 0.5
        assert value(block, "hit@5") == value(block, "hit@10") == value(block, "recall@10") == 1.0
        assert value(block, "mrr") == pytest.approx((1 + 1 / 2 + 1 + 1 / 3) / 4)
        assert value(block, "map") == value(block, "mrr")
        assert block["n_queries"] == 4

    def test_image_to_text(self) -> None:
        # Image 0 scores .9 .3 .2 .6: its captions are at ranks 1 and 3.
        # Image 1 scores .1 .5 .6 .7: rank 2. Image 2 scores .2 .1 .4 .5: rank 1.
        block = image_to_text(IMAGES, CAPTIONS, OWNERS)
        assert value(block, "hit@1") == pytest.approx(2 / 3)
        assert value(block, "mrr") == pytest.approx((1 + 1 / 2 + 1) / 3)
        assert value(block, "map") == pytest.approx((5 / 6 + 1 / 2 + 1) / 3)
        assert block["n_queries"] == 3

    def test_recall_is_the_fraction_of_an_images_captions(self) -> None:
        captions = np.ones((12, 3), np.float32)
        block = image_to_text(IMAGES[:1], captions, np.zeros(12, np.int64))
        assert value(block, "hit@10") == 1.0
        assert value(block, "recall@10") == pytest.approx(10 / 12)

    def test_is_what_the_page_shows(self) -> None:
        page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")
        shown = json.loads(page.split("```json")[1].split("```")[0])
        for name, direction in (("text_to_image", text_to_image), ("image_to_text", image_to_text)):
            said = block_as_json(direction(IMAGES, CAPTIONS, OWNERS))
            assert list(said) == list(shown[name])
            assert said.pop("n_queries") == shown[name].pop("n_queries")
            for key, figure in said.items():
                assert figure == pytest.approx(shown[name][key]), key


class TestKeys:
    @pytest.mark.parametrize("direction", [text_to_image, image_to_text])
    def test_of_captions(self, direction: Callable[..., Block]) -> None:
        block = direction(IMAGES, CAPTIONS, OWNERS)
        keys = ["hit@1", "hit@5", "hit@10", "recall@10", "map", "mrr", "ndcg@10", "n_queries"]
        assert list(block) == keys

    def test_of_images(self) -> None:
        block = image_to_image(CAPTIONS, IMAGES, OWNERS, np.arange(3))
        assert list(block) == ["hit@1", "hit@5", "hit@10", "map", "ndcg@10", "n_queries"]

    def test_of_classes(self) -> None:
        block = class_to_image(IMAGES, CAPTIONS, OWNERS)
        assert list(block) == [
            "hit@1",
            "hit@5",
            "hit@10",
            "precision@5",
            "map",
            "ndcg@10",
            "n_queries",
        ]

    def test_json_holds_plain_numbers(self) -> None:
        said = json.loads(json.dumps(block_as_json(text_to_image(IMAGES, CAPTIONS, OWNERS))))
        assert said["n_queries"] == 4
        assert set(said["hit@1"]) == {"value", "low", "high"}
        assert said["hit@5"] == {"value": 1.0, "low": 1.0, "high": 1.0}


class TestWithoutAnswer:
    def test_image_without_captions_is_no_query_but_is_in_the_database(self) -> None:
        images = np.array([[1, 0], [0, 1], [0.9, 0]], np.float32)
        captions = np.array([[0, 1], [1, 0]], np.float32)
        owners = np.array([1, 2])
        backward = image_to_text(images, captions, owners)
        assert (backward["n_queries"], backward["n_without_answer"]) == (2, 1)
        forward = text_to_image(images, captions, owners)
        # Image 0, which has no caption, beats image 2.
        assert value(forward, "hit@1") == 0.5
        assert "n_without_answer" not in forward

    def test_class_without_another_image_is_counted_apart(self) -> None:
        queries = np.array([[1, 0], [0, 1]], np.float32)
        block = image_to_image(queries, queries, np.array([4, 9]), np.array([4, 4]))
        assert (block["n_queries"], block["n_without_answer"]) == (1, 1)
        assert value(block, "hit@1") == 1.0

    def test_without_any_answer_there_are_counts_and_no_figures(self) -> None:
        nothing = np.zeros((0, 2), np.float32)
        block = class_to_image(np.ones((3, 2), np.float32), nothing, np.zeros(0, np.int64))
        assert block == {"n_queries": 0, "n_without_answer": 3}
        assert text_to_image(nothing, nothing, np.zeros(0, np.int64)) == {"n_queries": 0}


class TestMissing:
    def test_captions_of_an_image_that_could_not_be_read_are_not_found(self) -> None:
        owners = np.array([0, 0, 1, -1])
        block = text_to_image(IMAGES[:2], CAPTIONS, owners)
        assert value(block, "mrr") == pytest.approx((1 + 1 / 2 + 1 + 0) / 4)
        assert block["n_queries"] == 4
        backward = image_to_text(IMAGES[:2], CAPTIONS, owners)
        assert value(backward, "map") == pytest.approx((5 / 6 + 1 / 2 + 0) / 3)
        assert backward["n_queries"] == 3

    def test_images_of_a_class_that_could_not_be_read_are_not_found(self) -> None:
        texts = np.array([[1, 0], [0, 1]], np.float32)
        images = np.array([[1, 0], [0, 1]], np.float32)
        labels, missing = np.array([0, 1]), np.array([0, 0, 0])
        block = class_to_image(texts, images, labels, missing_labels=missing)
        assert value(block, "map") == pytest.approx((1 / 4 + 1) / 2)
        block = image_to_image(texts, images, np.arange(2), labels, missing_labels=missing)
        assert value(block, "map") == pytest.approx((1 / 4 + 1) / 2)

    def test_a_class_of_which_no_image_could_be_read_is_a_query(self) -> None:
        texts = np.eye(2, dtype=np.float32)
        block = class_to_image(texts, texts[:1], np.array([0]), missing_labels=np.array([1]))
        assert value(block, "hit@1") == 0.5
        assert block["n_queries"] == 2

    def test_an_owner_past_the_end_is_refused(self) -> None:
        for direction in (text_to_image, image_to_text):
            with pytest.raises(ValueError, match=r"^owner 3 is past the last of 3 images$"):
                direction(IMAGES, CAPTIONS, np.array([0, 0, 1, 3]))


class TestIntervals:
    def test_of_text_queries_are_by_image(self) -> None:
        generator = np.random.default_rng(0)
        images = np.eye(40, dtype=np.float32)
        owners = np.repeat(np.arange(40), 5)
        # Half of the images are found by all of their captions, half by none.
        captions = images[np.where(owners % 2, owners, (owners + 1) % 40)]
        figure = text_to_image(images, captions, owners, seed=int(generator.integers(9)))["hit@1"]
        assert isinstance(figure, Estimate)
        assert figure.value == 0.5
        by_image, by_caption = (2 * 1.96 * np.sqrt(0.25 / n) for n in (40, 200))
        assert figure.high - figure.low == pytest.approx(by_image, rel=0.15)
        assert figure.high - figure.low > 1.5 * by_caption

    def test_follow_the_seed(self) -> None:
        generator = np.random.default_rng(1)
        images, captions = generator.normal(size=(2, 60, 4)).astype(np.float32)
        owners = np.arange(60)
        first = text_to_image(images, captions, owners)
        assert text_to_image(images, captions, owners) == first
        assert text_to_image(images, captions, owners, seed=1) != first


class TestDuplicates:
    def test_rows_with_one_content_are_one_image(self) -> None:
        contents = unique_contents(["cc", "aa", "cc", "bb", "aa"])
        assert contents.first_rows.tolist() == [0, 1, 3]
        assert contents.content_of_row.tolist() == [0, 1, 0, 2, 1]

    def test_of_nothing(self) -> None:
        contents = unique_contents([])
        assert contents.first_rows.tolist() == contents.content_of_row.tolist() == []

    def test_finding_either_copy_is_finding_the_image(self) -> None:
        row_vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
        contents = unique_contents(["aa", "bb", "aa"])
        images = row_vectors[contents.first_rows]
        owners = contents.content_of_row  # one caption per row
        block = text_to_image(images, row_vectors, owners)
        assert value(block, "hit@1") == 1.0
        assert image_to_text(images, row_vectors, owners)["n_queries"] == 2


# Small whole numbers: exact inner products in float32, and many ties.
_vector = st.tuples(*[st.integers(-2, 2).map(float)] * 3)
_vectors = st.lists(_vector, min_size=1, max_size=9)


def as_rows(vectors: list[tuple[float, float, float]]) -> np.ndarray:
    return np.array(vectors, np.float32)


@settings(max_examples=60, deadline=None)
@given(_vectors, _vectors, st.data())
def test_blocks_equal_the_loops(
    images: list[tuple[float, float, float]],
    texts: list[tuple[float, float, float]],
    data: st.DataObject,
) -> None:
    owners = [data.draw(st.integers(0, len(images) - 1)) for _ in texts]
    places = list(range(len(images)))
    monkeypatch = pytest.MonkeyPatch()
    with monkeypatch.context() as patch:
        patch.setattr(directions, "_SCORES_PER_BLOCK", data.draw(st.sampled_from([1, 5, 10**6])))
        forward = text_to_image(as_rows(images), as_rows(texts), np.array(owners))
        backward = image_to_text(as_rows(images), as_rows(texts), np.array(owners))
    by_loops = [
        (forward, loops.rankings_by_label(texts, images, owners, places)),
        (backward, loops.rankings_by_label(images, texts, places, owners)),
    ]
    for block, rankings in by_loops:
        answered = [ranking for ranking in rankings if any(ranking)]
        assert block["n_queries"] == len(answered)
        assert block.get("n_without_answer", 0) == len(rankings) - len(answered)
        expected = {
            "hit@1": [loops.hit(r, 1) for r in answered],
            "hit@5": [loops.hit(r, 5) for r in answered],
            "hit@10": [loops.hit(r, 10) for r in answered],
            "recall@10": [loops.recall(r, sum(r), 10) for r in answered],
            "map": [loops.average_precision(r, sum(r)) for r in answered],
            "mrr": [loops.reciprocal_rank(r) for r in answered],
            "ndcg@10": [loops.ndcg(r, sum(r), 10) for r in answered],
        }
        for key, values in expected.items():
            assert value(block, key) == pytest.approx(sum(values) / len(values)), key


@settings(max_examples=40, deadline=None)
@given(_vectors, _vectors, st.data())
def test_labelled_blocks_equal_the_loops(
    queries: list[tuple[float, float, float]],
    database: list[tuple[float, float, float]],
    data: st.DataObject,
) -> None:
    labels = [data.draw(st.integers(0, 3)) for _ in database]
    query_labels = [data.draw(st.integers(0, 3)) for _ in queries]
    images = image_to_image(
        as_rows(queries), as_rows(database), np.array(query_labels), np.array(labels)
    )
    classes = class_to_image(as_rows(queries), as_rows(database), np.array(labels))
    for block, asked in ((images, query_labels), (classes, list(range(len(queries))))):
        rankings = loops.rankings_by_label(queries, database, asked, labels)
        answered = [ranking for ranking in rankings if any(ranking)]
        assert block["n_queries"] == len(answered)
        if not answered:
            continue
        average = sum(loops.average_precision(r, sum(r)) for r in answered) / len(answered)
        assert value(block, "map") == pytest.approx(average)
        if "precision@5" in block:
            top_five = sum(loops.precision(r, 5) for r in answered) / len(answered)
            assert value(block, "precision@5") == pytest.approx(top_five)


def test_scores_are_made_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, int]] = []
    whole = directions.item_order

    def recording(scores: np.ndarray) -> np.ndarray:
        shapes.append(scores.shape)
        return whole(scores)

    monkeypatch.setattr(directions, "item_order", recording)
    monkeypatch.setattr(directions, "_SCORES_PER_BLOCK", 100)
    text_to_image(np.eye(30, dtype=np.float32), np.eye(30, dtype=np.float32), np.arange(30))
    assert shapes == [(3, 30)] * 10
