"""`spectrum search --ranking`: which names there are."""

from pathlib import Path

from tests.retrieval.cli.conftest import Spectrum


def test_a_search_by_another_ranking(spectrum: Spectrum, pictures: Path) -> None:
    assert spectrum("index", pictures).code == 0
    scores = [spectrum("search", "red", "--ranking", name).out for name in ("raw", "superglobal")]
    assert all("red.png" in shown for shown in scores)
    assert scores[0] != scores[1]


def test_a_name_that_is_none(spectrum: Spectrum, pictures: Path) -> None:
    assert spectrum("index", pictures).code == 0
    run = spectrum("search", "red", "--ranking", "magic")
    assert (run.code, run.out) == (2, "")
    assert "'magic' is no ranking of a search: choose spectrum, raw," in run.err
