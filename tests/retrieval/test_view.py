"""What a query is answered from: the sample of the collection is drawn once, until it changes."""

from pathlib import Path

import numpy as np
import pytest

from retrieval import ImagePart, Library, Query, TextPart
from retrieval.view import KeptSample, View
from tests.stand_ins import ColourEncoder
from tests.stories.test_faults import draw


def test_a_sample_is_drawn_anew_for_another_state() -> None:
    kept, drawn = KeptSample(), []

    def draw_next() -> np.ndarray:
        drawn.append(len(drawn))
        return np.full((2, 3), len(drawn), dtype=np.float32)

    states = [("bank", 1), ("bank", 1), ("bank", 2), ("other", 2), ("bank", 2)]
    assert [kept.of(state, draw_next)[0, 0] for state in states] == [1, 1, 2, 3, 4]


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
