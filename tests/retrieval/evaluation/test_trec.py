"""TREC files: read back by loops they give our own figures, also with ties and missing images."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evaluation.blocks import block_of
from retrieval.evaluation.directions import Ranked, image_to_text, ranked, text_to_image
from retrieval.evaluation.intervals import Estimate
from retrieval.evaluation.searches import Item
from retrieval.evaluation.trec import strictly_falling, write_trec
from tests.references import metrics as loops

Ranking = list[tuple[float, str]]


def items(prefix: str, n: int) -> list[Item]:
    return [Item(name=f"{prefix}{number}") for number in range(n)]


def written(folder: Path, of: Ranked, n_items: int) -> tuple[Path, Path]:
    queries = items("q", len(of.rankings))
    run, qrels = write_trec(
        folder / "run.trec", {"text_to_image": (queries, items("d", n_items), of)}, tag="test"
    )
    return run, qrels


def read_run(path: Path) -> dict[str, Ranking]:
    run: dict[str, Ranking] = defaultdict(list)
    for line in path.read_text().splitlines():
        query, q0, item, rank, score, tag = line.split(" ")
        assert (q0, tag) == ("Q0", "test")
        run[query].append((float(score), item))
        assert len(run[query]) == int(rank)
    return run


def read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = defaultdict(dict)
    for line in path.read_text().splitlines():
        query, _, item, grade = line.split(" ")
        qrels[query][item] = int(grade)
    return qrels


def by_loops(run: dict[str, Ranking], qrels: dict[str, dict[str, int]]) -> dict[str, float]:
    """The figures of the files, as any tool of TREC's takes them: by score, over judged queries."""
    totals: dict[str, float] = defaultdict(float)
    for query, relevant in qrels.items():
        ranking = [item in relevant for _, item in sorted(run[query], reverse=True)]
        totals["hit@1"] += loops.hit(ranking, 1)
        totals["recall@10"] += loops.recall(ranking, len(relevant), 10)
        totals["map"] += loops.average_precision(ranking, len(relevant))
        totals["mrr"] += loops.reciprocal_rank(ranking)
        totals["ndcg@10"] += loops.ndcg(ranking, len(relevant), 10)
    return {key: total / len(qrels) for key, total in totals.items()}


def ours(of: Ranked) -> dict[str, float]:
    block = block_of(of)
    return {key: figure.value for key, figure in block.items() if isinstance(figure, Estimate)}


def tied(n_texts: int, n_images: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, texts and owners whose inner products are small whole numbers, so mostly tied."""
    generator = np.random.default_rng(seed)
    images = generator.integers(-1, 2, (n_images, 4)).astype(np.float32)
    texts = generator.integers(-1, 2, (n_texts, 4)).astype(np.float32)
    return images, texts, generator.integers(-2, n_images, n_texts)


@pytest.mark.parametrize("direction", [text_to_image, image_to_text])
@pytest.mark.parametrize("seed", range(3))
def test_the_files_give_our_figures(tmp_path: Path, direction: type, seed: int) -> None:
    of = direction(*tied(60, 25, seed), depth=1000)
    run, qrels = written(tmp_path, of, 80)
    theirs, mine = by_loops(read_run(run), read_qrels(qrels)), ours(of)
    for key, figure in theirs.items():
        assert figure == pytest.approx(mine[key], abs=1e-9), key


@pytest.mark.parametrize("seed", range(3))
def test_ir_measures_gives_our_figures(tmp_path: Path, seed: int) -> None:
    measures = pytest.importorskip("ir_measures", reason="ir_measures is in no extra yet")
    of = text_to_image(*tied(60, 25, seed), depth=1000)
    run, qrels = written(tmp_path, of, 80)
    names = {"hit@1": "Success@1", "recall@10": "R@10", "map": "AP", "mrr": "RR"}
    names["ndcg@10"] = "nDCG@10"
    asked = {measures.parse_measure(name): key for key, name in names.items()}
    judged, retrieved = (
        list(measures.read_trec_qrels(str(qrels))),
        list(measures.read_trec_run(str(run))),
    )
    for measure, figure in measures.calc_aggregate(list(asked), judged, retrieved).items():
        assert figure == pytest.approx(ours(of)[asked[measure]], abs=1e-9), measure


def test_grades_are_written_and_weigh_in_ndcg(tmp_path: Path) -> None:
    grades = np.array([[0, 3, 1, 0], [1, 0, 0, 0]], np.float32)
    scores = np.array([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]], np.float32)
    of = ranked(
        scores,
        np.eye(4, dtype=np.float32),
        lambda start, stop: grades[start:stop],
        ("ndcg@10", "map"),
        np.arange(2),
    )
    gain, best = 3 / np.log2(3) + 1 / np.log2(4), 3 + 1 / np.log2(3)
    assert of.values("ndcg@10").tolist() == pytest.approx([gain / best, 1 / np.log2(5)])
    assert of.values("map").tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2, 1 / 4])
    _, qrels = written(tmp_path, of, 4)
    assert qrels.read_text() == "q0 0 d1 3\nq0 0 d2 1\nq1 0 d0 1\n"


def test_names_are_one_column_each(tmp_path: Path) -> None:
    of = text_to_image(np.eye(1, dtype=np.float32), np.eye(1, dtype=np.float32), np.array([0]))
    queries, images = [Item(name="a b\n")], [Item(name="caf\u00e9\udcff.jpg")]
    run, qrels = write_trec(
        tmp_path / "x.trec", {"text_to_image": (queries, images, of)}, tag="my encoder"
    )
    assert run.name == "x.text_to_image.trec"
    assert run.read_text() == "a%20b%0A Q0 caf%C3%A9%FF.jpg 1 1 my%20encoder\n"
    assert qrels.read_text() == "a%20b%0A 0 caf%C3%A9%FF.jpg 1\n"


@settings(deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), max_size=30))
def test_written_scores_fall_and_stay_what_they_are(values: list[float]) -> None:
    scores = np.sort(np.array(values, np.float32))[::-1].copy()
    falling = strictly_falling(scores)
    assert (np.diff(falling) < 0).all()
    assert falling.tolist() == pytest.approx(scores.tolist(), abs=1e-5)
    assert (
        strictly_falling(np.unique(scores)[::-1].copy()).tolist()
        == np.unique(scores)[::-1].tolist()
    )
