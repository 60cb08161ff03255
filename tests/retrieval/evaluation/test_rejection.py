"""Rejection metrics: numbers that a pencil can check, plain loops, and scikit-learn, with ties."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.evaluation.rejection import (
    aurc,
    auroc,
    coverage_at_risk,
    fpr_at_tpr,
    hit_of_kept,
    risk_coverage,
    roc,
)
from tests.references import rejection as loops


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def flags(*values: int) -> np.ndarray:
    return np.array(values, np.bool_)


class TestWorkedNumbers:
    def test_auroc_counts_pairs(self) -> None:
        # 0.9 beats both, 0.4 beats one and ties with the other.
        assert auroc(scores(0.9, 0.4), scores(0.4, 0.1)) == (2 + 1 + 0.5) / 4

    def test_of_perfect_and_of_upside_down(self) -> None:
        assert (auroc(scores(2, 3), scores(0, 1)), fpr_at_tpr(scores(2, 3), scores(0, 1))) == (1, 0)
        assert (auroc(scores(0, 1), scores(2, 3)), fpr_at_tpr(scores(0, 1), scores(2, 3))) == (0, 1)

    def test_known_and_unknown_alike_are_chance(self) -> None:
        same = scores(0.1, 0.2, 0.2, 0.7)
        assert auroc(same, same) == 0.5
        assert fpr_at_tpr(same, same, 0.75) == 0.75
        assert fpr_at_tpr(same, same, 0.25) == 0.25

    def test_the_threshold_keeps_19_of_20(self) -> None:
        known = np.arange(1.0, 21.0)  # 2.0 is the threshold
        assert fpr_at_tpr(known, scores(1.9, 2.0, 5.0, 0.0)) == 0.5

    def test_risk_and_coverage_of_five_answers(self) -> None:
        confidence, correct = scores(5, 4, 3, 2, 1), flags(1, 1, 0, 1, 0)
        curve = risk_coverage(confidence, correct)
        assert curve.coverage.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
        assert curve.risk.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4, 2 / 5])
        assert aurc(confidence, correct) == pytest.approx((0 + 0 + 1 / 3 + 1 / 4 + 2 / 5) / 5)
        assert coverage_at_risk(confidence, correct, 0.25) == 0.8
        assert coverage_at_risk(confidence, correct) == 0.4
        assert hit_of_kept(confidence, correct, 0.8) == pytest.approx(3 / 4)
        assert hit_of_kept(confidence, correct, 1.0) == pytest.approx(3 / 5)

    def test_three_wrong_of_sixty_are_within_five_percent(self) -> None:
        confidence = np.arange(60.0)
        assert coverage_at_risk(confidence, confidence > 2) == 1.0

    def test_a_tie_is_kept_or_rejected_as_a_whole(self) -> None:
        # One threshold for all four: half of them wrong, so none can be kept.
        assert coverage_at_risk(np.zeros(4), flags(1, 1, 0, 0)) == 0.0
        assert risk_coverage(np.zeros(4), flags(1, 1, 0, 0)).risk.tolist() == [0.5]

    def test_an_order_within_a_tie_means_nothing(self) -> None:
        assert hit_of_kept(np.zeros(4), flags(1, 1, 0, 0), 0.5) == 0.5
        assert aurc(np.zeros(4), flags(1, 1, 0, 0)) == pytest.approx(0.5)
        assert aurc(np.zeros(4), flags(0, 0, 1, 1)) == pytest.approx(0.5)

    def test_infinite_scores_have_a_place(self) -> None:
        assert auroc(scores(np.inf, 1), scores(-np.inf, 1)) == 3.5 / 4
        assert hit_of_kept(scores(np.inf, -np.inf), flags(1, 0), 0.5) == 1.0

    def test_curve_starts_with_nothing_and_ends_with_everything(self) -> None:
        curve = roc(scores(0.9, 0.4), scores(0.4, 0.1))
        assert curve.true_positive_rate.tolist() == [0, 0.5, 1, 1]
        assert curve.false_positive_rate.tolist() == [0, 0, 0.5, 1]


class TestRefused:
    @pytest.mark.parametrize("metric", [auroc, fpr_at_tpr, roc])
    def test_an_empty_side_and_nan(self, metric: Callable[..., object]) -> None:
        with pytest.raises(ValueError, match=r"^no scores of known queries: at least one is neede"):
            metric(scores(), scores(1))
        with pytest.raises(ValueError, match=r"^no scores of unknown queries: at least one is nee"):
            metric(scores(1), scores())
        with pytest.raises(ValueError, match=r"^a score of the unknown queries is NaN: leave such"):
            metric(scores(1), scores(1, np.nan))

    @pytest.mark.parametrize("metric", [aurc, coverage_at_risk, risk_coverage])
    def test_no_answers_and_nan(self, metric: Callable[..., object]) -> None:
        with pytest.raises(ValueError, match=r"^no scores of answered queries"):
            metric(scores(), flags())
        with pytest.raises(ValueError, match=r"^a score of the answered queries is NaN"):
            metric(scores(np.nan), flags(1))

    def test_shares_that_mean_nothing(self) -> None:
        with pytest.raises(ValueError, match=r"^tpr must be above 0 and at most 1, not 0.0$"):
            fpr_at_tpr(scores(1), scores(1), 0.0)
        with pytest.raises(ValueError, match=r"^kept_share must be above 0 and at most 1, not 80"):
            hit_of_kept(scores(1), flags(1), 80.0)
        with pytest.raises(ValueError, match=r"^risk must be from 0 to 1, not 5.0$"):
            coverage_at_risk(scores(1), flags(1), 5.0)


# Few different scores, so that ties are the rule.
_score = st.sampled_from([-2.0, -0.5, 0.0, 0.25, 0.5, 3.0])
_side = st.lists(_score, min_size=1, max_size=25)
_share = st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 0.8, 0.9, 0.95, 1.0])


@settings(deadline=None)
@given(_side, _side, _share)
def test_known_and_unknown_equal_the_loops(
    known: list[float], unknown: list[float], tpr: float
) -> None:
    assert auroc(scores(*known), scores(*unknown)) == pytest.approx(loops.auroc(known, unknown))
    fpr = fpr_at_tpr(scores(*known), scores(*unknown), tpr)
    assert fpr == pytest.approx(loops.fpr_at_tpr(known, unknown, tpr))


@settings(deadline=None)
@given(st.lists(st.tuples(_score, st.booleans()), min_size=1, max_size=6), _share)
def test_selective_metrics_equal_the_loops(rows: list[tuple[float, bool]], share: float) -> None:
    confidence, correct = [c for c, _ in rows], [right for _, right in rows]
    arrays = scores(*confidence), flags(*correct)
    assert aurc(*arrays) == pytest.approx(loops.aurc(confidence, correct))
    kept = hit_of_kept(*arrays, share)
    assert kept == pytest.approx(loops.hit_of_kept(confidence, correct, share))
    coverage = coverage_at_risk(*arrays, share)
    assert coverage == pytest.approx(loops.coverage_at_risk(confidence, correct, share))


@settings(max_examples=40, deadline=None)
@given(_side, _side, _share)
def test_agrees_with_scikit_learn(known: list[float], unknown: list[float], tpr: float) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    labels, values = [1] * len(known) + [0] * len(unknown), known + unknown
    assert auroc(scores(*known), scores(*unknown)) == pytest.approx(
        roc_auc_score(labels, values), abs=1e-12
    )
    theirs_fpr, theirs_tpr, _ = roc_curve(labels, values, drop_intermediate=False)
    ours = roc(scores(*known), scores(*unknown))
    assert ours.false_positive_rate.tolist() == pytest.approx(theirs_fpr.tolist(), abs=1e-12)
    assert ours.true_positive_rate.tolist() == pytest.approx(theirs_tpr.tolist(), abs=1e-12)
    area = np.trapezoid(ours.true_positive_rate, ours.false_positive_rate)
    assert area == pytest.approx(auroc(scores(*known), scores(*unknown)))
    at_least = theirs_fpr[np.argmax(theirs_tpr >= tpr)]
    assert fpr_at_tpr(scores(*known), scores(*unknown), tpr) == pytest.approx(at_least, abs=1e-12)


@settings(deadline=None)
@given(_side, _side, st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_only_the_order_counts(
    known: list[float], unknown: list[float], scale: float, shift: float
) -> None:
    before = scores(*known), scores(*unknown)
    after = before[0] * scale + shift, before[1] * scale + shift
    assert auroc(*before) == auroc(*after)
    assert fpr_at_tpr(*before) == fpr_at_tpr(*after)
