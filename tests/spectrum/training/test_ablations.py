"""The ablations: what is left out, by how much it changes the figures, and the table of it."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from spectrum.training.ablations import EPOCHS, interval, overlap, table, unit, variants
from spectrum.training.backbone import CLASSIFIER
from spectrum.training.image_material import ASKED
from spectrum.training.student import TERMS


def changed(first: dict[str, Any], second: dict[str, Any], place: str = "") -> set[str]:
    """Names of the settings that differ."""
    found: set[str] = set()
    for name, value in first.items():
        if isinstance(value, dict):
            found |= changed(value, second[name], f"{place}{name}.")
        elif value != second[name]:
            found.add(place + name)
    return found


def test_each_variant_leaves_exactly_one_thing_out() -> None:
    whole, *others = variants()
    assert whole.name == "the whole recipe"
    assert whole.training.epochs == EPOCHS
    assert (whole.teachers, whole.views, whole.others) == (None, None, True)
    for variant in others:
        if variant.name == "contrast and names only":
            continue
        differences = changed(asdict(variant.training), asdict(whole.training))
        sources = [variant.teachers is not None, variant.views is not None, not variant.others]
        assert len(differences) + sum(sources) == 1, variant.name


def test_every_term_but_the_task_is_left_out_once() -> None:
    whole = variants()[0].training
    without = {variant.name: variant.training for variant in variants()}
    for term in TERMS:
        if term != "contrast":
            weights = replace(whole.weights, **{term: 0.0})
            assert without[f"without {term}"] == replace(whole, weights=weights)
    assert "without contrast" not in without
    assert len(without) == len(variants())


def test_names_of_variants_tell_what_they_do() -> None:
    found = {variant.name: variant for variant in variants()}
    assert found["one teacher: the classifier"].teachers == (CLASSIFIER,)
    assert found["without stretched and cropped views"].views == ASKED
    assert found["tails frozen"].training.tail_rate == 0.0
    left = found["contrast and names only"].training.weights
    kept = {name for name, weight in asdict(left).items() if weight}
    assert kept == {"contrast", "names", "labels"}


def test_an_interval_of_hits() -> None:
    """Four photographs of two captions: rates of 100, 50, 50 and 0 per cent."""
    middle, low, high = interval(np.array([1, 1, 1, 0, 0, 1, 0, 0]), 2)
    assert middle == 50.0
    assert 0.0 <= low < 50.0 < high <= 100.0
    assert interval(np.array([1, 1, 1, 0, 0, 1, 0, 0]), 2) == (middle, low, high)


def test_an_interval_is_that_of_the_normal_law_where_there_are_many() -> None:
    hits = np.arange(1000) % 2
    middle, low, high = interval(hits, 1)
    assert middle == 50.0
    wide = 1.96 * 50.0 / 1000**0.5
    assert (low, high) == pytest.approx((50.0 - wide, 50.0 + wide), abs=0.4)


def test_captions_of_one_photograph_are_not_so_many_witnesses() -> None:
    """The same hits, whether five captions of a photograph agree or not."""
    together = np.repeat(np.arange(200) % 2, 5)
    _, low, high = interval(together, 5)
    _, lower, higher = interval(together, 1)
    assert high - low > 1.8 * (higher - lower)


def test_no_change_has_no_interval() -> None:
    assert interval(np.zeros(20), 5) == (0.0, 0.0, 0.0)


def test_neighbours_in_common() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(40, 5))
    turn = np.linalg.qr(random.normal(size=(5, 5)))[0]
    assert overlap(vectors, vectors @ turn) == 1.0
    assert overlap(vectors, random.normal(size=(40, 3))) < 0.6
    # Two far groups of eleven: nearest neighbours are the whole group, whatever the details.
    groups = np.repeat(np.eye(2), 11, axis=0)
    apart = groups + 0.01 * random.normal(size=(22, 2))
    assert overlap(groups, apart) == 1.0


def test_standardised_rows_are_of_unit_length() -> None:
    made = unit(np.random.default_rng(0).normal(3.0, 2.0, size=(20, 7)))
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0)


def test_a_table_has_a_row_for_each_variant() -> None:
    rows = [
        {
            "variant": "whole",
            "text_to_image": (61.25, 59.0, 63.0),
            "image_to_text": (70.0, 68.0, 72.0),
            "neighbours": 0.5,
        },
        {
            "variant": "without names",
            # As a list, which is how it comes back from the stored file.
            "text_to_image": [60.0, 58.0, 62.0],
            "text_to_image_change": [-1.25, -2.0, -0.5],
            "image_to_text": [70.5, 69.0, 73.0],
            "image_to_text_change": [0.5, -0.25, 1.0],
            "neighbours": 0.4996,
        },
    ]
    lines = table(rows).splitlines()
    assert [line.count("|") for line in lines] == [7] * 4
    assert lines[2] == "| whole | 61.2 (59.0 to 63.0) |  | 70.0 (68.0 to 72.0) |  | 0.500 |"
    assert lines[3] == (
        "| without names | 60.0 (58.0 to 62.0) | -1.2 (-2.0 to -0.5) | 70.5 (69.0 to 73.0) |"
        " +0.5 (-0.2 to +1.0) | 0.500 |"
    )
