"""Two runs side by side: what changed, how sure that is, and one line for a file that is no run."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evaluation.compare import Comparison, compare, saved_queries
from retrieval.evaluation.datasets import DatasetError
from retrieval.evaluation.directions import Ranked, text_to_image
from retrieval.evaluation.intervals import paired_difference


def ranked(texts: np.ndarray) -> Ranked:
    """Texts that ask for one image each, among images along the axes."""
    return text_to_image(np.eye(len(texts), dtype=np.float32), texts, np.arange(len(texts)))


def names(n: int) -> list[str]:
    return [f"q{number}" for number in range(n)]


def saved(folder: Path, of: Ranked, **other: object) -> Path:
    """A run's JSON with one direction."""
    path = folder / "run.json"
    queries = {"text_to_image": saved_queries(names(len(of.rankings)), of)}
    path.write_text(json.dumps({"queries": queries, "dataset": "birds"} | other))
    return path


PERFECT = np.eye(40, dtype=np.float32)
# The first ten ask for the wrong image.
WORSE = PERFECT.copy()
WORSE[:10] = np.roll(PERFECT[:10], 1, axis=0)


def against_worse(folder: Path) -> Comparison:
    run = saved(folder, ranked(WORSE), encoder="old")
    return compare({"text_to_image": (names(40), ranked(PERFECT))}, run)


class TestCompare:
    def test_says_what_was_gained_and_that_it_is_no_chance(self, tmp_path: Path) -> None:
        comparison = against_worse(tmp_path)
        change = comparison.changes["text_to_image"]["hit@1"]
        assert (change.now, change.before) == (1.0, 0.75)
        assert change.difference.value == 0.25
        assert 0.1 < change.difference.low < 0.25 < change.difference.high < 0.45
        assert change.difference.p < 0.001
        assert comparison.n_queries == {"text_to_image": 40}
        assert comparison.notes == ()

    def test_has_every_metric_and_reads_as_json(self, tmp_path: Path) -> None:
        said = json.loads(json.dumps(against_worse(tmp_path).as_json()))
        keys = ["hit@1", "hit@5", "hit@10", "recall@10", "map", "mrr", "ndcg@10", "n_queries"]
        assert list(said["text_to_image"]) == keys
        assert said["encoder"] == "old"
        assert set(said["text_to_image"]["map"]) == {"now", "before", "value", "low", "high", "p"}

    def test_of_a_run_with_itself_nothing_changed(self, tmp_path: Path) -> None:
        run = saved(tmp_path, ranked(WORSE))
        comparison = compare({"text_to_image": (names(40), ranked(WORSE))}, run)
        for change in comparison.changes["text_to_image"].values():
            assert change.difference.as_json() == {"value": 0, "low": 0, "high": 0, "p": 1}

    def test_pairs_queries_by_what_they_are_not_by_their_place(self, tmp_path: Path) -> None:
        run = saved(tmp_path, ranked(WORSE))
        turned = ranked(WORSE)
        turned.rankings.reverse()
        comparison = compare({"text_to_image": (names(40)[::-1], turned)}, run)
        assert comparison.changes["text_to_image"]["map"].difference.value == 0.0

    def test_values_of_queries_are_not_rounded(self, tmp_path: Path) -> None:
        of = ranked(np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32))
        comparison = compare({"text_to_image": (names(30), of)}, saved(tmp_path, of))
        assert comparison.changes["text_to_image"]["mrr"].difference.p == 1.0

    def test_a_grown_dataset_is_compared_where_both_have_queries(self, tmp_path: Path) -> None:
        run = saved(tmp_path, ranked(PERFECT[:30, :30].copy()))
        comparison = compare({"text_to_image": (names(40), ranked(PERFECT))}, run)
        assert comparison.n_queries == {"text_to_image": 30}
        assert comparison.notes == (
            "text_to_image: compared on the 30 queries that both runs have",
        )

    def test_a_direction_that_the_run_has_not_is_said(self, tmp_path: Path) -> None:
        mine = (names(40), ranked(PERFECT))
        run = saved(tmp_path, ranked(PERFECT))
        comparison = compare({"text_to_image": mine, "image_to_text": mine}, run)
        assert comparison.notes == (f"{run} has no image_to_text",)


class TestRefused:
    def test_a_run_on_another_dataset(self, tmp_path: Path) -> None:
        run = saved(tmp_path, ranked(PERFECT))
        with pytest.raises(DatasetError) as raised:
            compare({"text_to_image": (["x", "y"], ranked(PERFECT[:2, :2].copy()))}, run)
        assert str(raised.value) == (
            f"{run} is a run on birds and has none of these queries: give a run on the same dataset"
            " and split"
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "not JSON, so no run; make it again with"),
            ("[" * 100_000, "not JSON, so no run"),
            ("[]", "holds no values of queries; make it again"),
            ('{"text_to_image": {"hit@1": 0.5}}', "holds no values of queries"),
            ('{"queries": {"text_to_image": {}}}', "the values of its queries are damaged"),
            ('{"queries": {"text_to_image": []}}', "the values of its queries are damaged"),
            ('{"queries": {"text_to_image": {"name": "!"}}}', "the values of its queries are dam"),
            ('{"queries": {"text_to_image": {"name": "aGk="}}}', "the values of its queries are d"),
            ('{"queries": {"text_to_image": {"name": 7}}}', "the values of its queries are damag"),
        ],
    )
    def test_a_file_that_is_no_run(self, tmp_path: Path, content: str, message: str) -> None:
        path = tmp_path / "run.json"
        path.write_text(content)
        with pytest.raises(DatasetError) as raised:
            compare({"text_to_image": (names(40), ranked(PERFECT))}, path)
        assert str(raised.value).startswith(f"{path}: ")
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_values_of_another_number_than_the_queries(self, tmp_path: Path) -> None:
        path = saved(tmp_path, ranked(PERFECT))
        said = json.loads(path.read_text())
        fewer = saved_queries(names(40), ranked(PERFECT[:3, :3].copy()))
        said["queries"]["text_to_image"]["map"] = fewer["map"]
        path.write_text(json.dumps(said))
        with pytest.raises(DatasetError, match="text_to_image: the values of its queries are dam"):
            compare({"text_to_image": (names(40), ranked(PERFECT))}, path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"gone\.json: No such file or directory; give a ru"):
            compare({"text_to_image": (names(40), ranked(PERFECT))}, tmp_path / "gone.json")


class TestPairedDifference:
    def test_one_query_or_none_changed_says_nothing(self) -> None:
        one = paired_difference(np.array([0.5, 0.7]), np.zeros(2, np.int64))
        assert (one.low, one.high, one.p) == (pytest.approx(0.6), pytest.approx(0.6), 1.0)
        assert paired_difference(np.zeros(5), np.arange(5)).p == 1.0
        with pytest.raises(ValueError, match=r"^no values: a mean needs at least one query$"):
            paired_difference(np.zeros(0), np.zeros(0, np.int64))

    def test_swapping_the_runs_turns_the_sign_and_keeps_p(self) -> None:
        gains = np.random.default_rng(3).normal(0.1, 1.0, 60)
        forth, back = (paired_difference(sign * gains, np.arange(60)) for sign in (1, -1))
        assert forth.p == pytest.approx(back.p)
        assert (forth.low, forth.high) == (pytest.approx(-back.high), pytest.approx(-back.low))

    def test_captions_that_fail_together_count_once(self) -> None:
        gains = np.repeat([1.0, 1.0, 1.0, 1.0, -1.0], 5)
        together = paired_difference(gains, np.repeat(np.arange(5), 5))
        alone = paired_difference(gains, np.arange(25))
        assert alone.p < 0.05 < together.p

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=2, max_size=30))
    def test_is_below_5_percent_where_the_interval_leaves_out_0(self, gains: list[float]) -> None:
        found = paired_difference(np.array(gains), np.arange(len(gains)), n_resamples=2000)
        assert 0 < found.p <= 1
        if found.p < 0.045:
            assert not found.low <= 0 <= found.high
        if found.p > 0.055:
            assert found.low <= 0 <= found.high

    def test_chance_alone_is_called_real_once_in_twenty(self) -> None:
        generator = np.random.default_rng(11)
        below = [
            paired_difference(generator.normal(size=40), np.arange(40), n_resamples=400).p < 0.05
            for _ in range(300)
        ]
        assert 0.02 <= np.mean(below) <= 0.10
