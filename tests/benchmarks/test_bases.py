"""SPECTRUM on other encoders: relative gains, whose head says what, the best fixed fusion."""

import random

import numpy as np
import pytest
import torch

from benchmarks.refinement.bases import (
    RAW,
    RESAMPLES,
    best_fusion,
    fusion_table,
    relative_gain,
    relative_table,
)
from benchmarks.refinement.captions import Guesses
from benchmarks.refinement.material import Captioned, Photographs
from benchmarks.refinement.measures import Measured
from benchmarks.refinement.other_encoders import (
    OTHERS,
    new_photographs,
    out_of_fold,
    token_part,
    visual_part,
)
from spectrum.training.caption_material import GridFeatures
from spectrum.training.ensemble_head import EnsembleTeacher, EnsembleTraining, folds
from spectrum.training.heads import HeadShape


def values(of: list[float], clusters: list[int]) -> Measured:
    """The same numbers for every metric."""
    numbers = np.array(of)
    metrics = dict.fromkeys(("hit@1", "hit@5", "hit@10", "mAP"), numbers)
    return Measured(metrics, np.array(clusters))


def test_a_relative_gain_is_the_ratio_of_means_and_not_the_mean_of_ratios() -> None:
    clusters = [0, 0, 0, 1]
    gained = relative_gain(
        values([0.6, 0.6, 0.6, 0.5], clusters), values([0.4, 0.4, 0.4, 0.2], clusters), "mAP"
    )
    # 2.3 / 1.4; an image with three queries counts as three.
    assert gained.value == pytest.approx(2.3 / 1.4 - 1)
    # Two images: either is drawn twice in a quarter of the resamples.
    assert gained.low == pytest.approx(1.8 / 1.2 - 1)
    assert gained.high == pytest.approx(0.5 / 0.2 - 1)


def test_the_interval_is_that_of_a_loop_over_resampled_images() -> None:
    chance = random.Random(3)
    clusters = [image for image in range(31) for _ in range(5)]
    old = [float(chance.random() < 0.4) for _ in clusters]
    new = [max(value, float(chance.random() < 0.2)) for value in old]
    gained = relative_gain(values(new, clusters), values(old, clusters), "hit@1")
    ratios = []
    for _ in range(RESAMPLES):
        images = [chance.randrange(31) for _ in range(31)]
        rows = [5 * image + caption for image in images for caption in range(5)]
        ratios.append(sum(new[row] for row in rows) / sum(old[row] for row in rows) - 1)
    ratios.sort()
    # Two sets of resamples: their 2.5 % quantiles differ by chance.
    assert gained.low == pytest.approx(ratios[round(0.025 * RESAMPLES)], abs=0.04)
    assert gained.high == pytest.approx(ratios[round(0.975 * RESAMPLES)], abs=0.08)
    assert gained.value == pytest.approx(sum(new) / sum(old) - 1)
    same = relative_gain(values(old, clusters), values(old, clusters), "hit@1")
    assert same == (0.0, 0.0, 0.0)


def test_nothing_found_before_has_no_ratio() -> None:
    with pytest.raises(ValueError, match="hit@1 is 0 for too many images"):
        relative_gain(values([1, 1], [0, 1]), values([0, 1], [0, 1]), "hit@1")


def teacher(parts: int) -> EnsembleTeacher:
    """A small one, untrained."""
    torch.manual_seed(0)
    shape = HeadShape(width=5, hidden=3)
    return EnsembleTeacher(EnsembleTraining(shape=shape, folds=parts), 7, 11).eval()


def unit(vectors: np.ndarray) -> np.ndarray:
    return np.array([vector / np.sqrt((vector**2).sum()) for vector in vectors])


@pytest.mark.parametrize("pooled", [False, True])
def test_training_photographs_are_described_by_the_head_of_their_fold(pooled: bool) -> None:
    made, views = teacher(3), np.random.default_rng(0).normal(size=(2, 13, 7)).astype(np.float32)
    fold = folds(13, 3, 0).tolist()
    said = out_of_fold(made, views, pooled=pooled)
    for row, part in enumerate(fold):
        shown = torch.from_numpy(views[: 2 if pooled else 1, row])
        with torch.no_grad():
            own = made.heads[part + 1](made.standardised(shown)).numpy()
        assert said[row] == pytest.approx(unit(own.mean(axis=0)[None])[0], abs=1e-5)
    with torch.no_grad():
        for weight in [*made.heads[0].parameters(), *made.heads[2].parameters()]:
            weight.add_(1.0)
    moved = np.abs(out_of_fold(made, views, pooled=pooled) - said).max(axis=1) > 1e-3
    assert moved.tolist() == [part == 1 for part in fold]


def test_new_photographs_are_described_by_one_head_or_by_all_folds_heads() -> None:
    made, views = teacher(3), np.random.default_rng(1).normal(size=(2, 4, 7)).astype(np.float32)
    with torch.no_grad():
        entering = [made.standardised(torch.from_numpy(view)) for view in views]
        each = [[head(view).numpy() for head in made.heads] for view in entering]
    assert new_photographs(made, views, pooled=False) == pytest.approx(each[0][0], abs=1e-6)
    # The folds' mean has unit length in each view before both are averaged.
    both = [unit(np.mean(view[1:], axis=0)) for view in each]
    wanted = unit(np.mean(both, axis=0))
    assert new_photographs(made, views, pooled=True) == pytest.approx(wanted, abs=1e-5)


def test_one_networks_part_of_vectors_and_grids() -> None:
    tokens = np.arange(2 * 49 * 3, dtype=np.float16).reshape(2, 49, 3)
    grid = GridFeatures(
        tokens=tokens,
        semantic=np.zeros((2, 1), dtype=np.float16),
        visual=np.array([[0.5, 3, 4], [0.5, 0, 2]], dtype=np.float16),
    )
    assert visual_part(grid, 1) == pytest.approx(np.array([[0.6, 0.8], [0, 1]]))
    part = token_part(grid, 2)
    assert part.shape == (2, 7, 7, 1)
    # Row 3, column 5 is cell 26; its third channel is 3 * 26 + 2.
    assert part[0, 3, 5].tolist() == [80]
    assert np.array_equal(token_part(grid, 0).reshape(2, 49, 3), tokens)


def captioned(semantic: np.ndarray, captions: np.ndarray) -> Captioned:
    """Photographs that look like nothing."""
    n = len(semantic)
    photographs = Photographs(semantic, np.ones((n, 1), dtype=np.float32), ())
    return Captioned(photographs, captions, ("",) * (n * captions.shape[1]))


def test_the_best_fusion_listens_to_the_guess_that_is_right() -> None:
    rng = np.random.default_rng(0)
    right = unit(rng.normal(size=(40, 16))).astype(np.float32)
    wrong, semantic = right[::-1].copy(), unit(rng.normal(size=(40, 16))).astype(np.float32)
    dev, bank = captioned(semantic, np.repeat(right[:, None], 2, axis=1)), right
    shares, fused = best_fusion(dev, Guesses(predicted=right, neighbours=wrong), bank)
    assert shares[0] > 0
    assert shares[1] == 0
    assert fused.values["hit@1"].mean() > 0.9
    shares, _ = best_fusion(dev, Guesses(predicted=wrong, neighbours=right), bank)
    assert (shares[0], shares[1] > 0) == (0, True)
    # Where nothing is to be gained, nothing is added.
    found = captioned(right, dev.captions)
    assert best_fusion(found, Guesses(predicted=right, neighbours=right), bank)[0] == (0, 0)


def test_tables_say_relative_gains_and_points() -> None:
    clusters = [0, 0, 1, 1]
    own = {
        RAW: values([0.5] * 4, clusters),
        "best fixed fusion (0, 1)": values([0.6] * 4, clusters),
        "SPECTRUM": values([0.75] * 4, clusters),
    }
    lines = relative_table({"made up": own}).splitlines()
    assert lines[2] == "| made up | raw | 50.0 | 50.0 | 50.0 | 50.0 | – | – | – |"
    assert lines[4].endswith("| 75.0 | 75.0 | 75.0 | 75.0 |" + " +50.0 [+50.0, +50.0] |" * 3)
    lines = fusion_table({"made up": own}).splitlines()
    assert lines[2] == "| made up | raw |" + " +25.0 [+25.0, +25.0] |" * 3
    assert lines[3] == "|  | best fixed fusion (0, 1) |" + " +15.0 [+15.0, +15.0] |" * 3


def test_heads_of_other_encoders_overwrite_nothing_of_the_shipped_ones() -> None:
    files = [other.file for other in OTHERS.values()]
    assert len(set(files)) == len(files)
    for name, other in OTHERS.items():
        assert other.stem == f"bases_{name}"
        shipped = other.file == "ensemble.pt" and other.heads == EnsembleTraining()
        assert shipped or other.file.startswith("bases_")
