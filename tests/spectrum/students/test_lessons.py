"""Who learns what: splits by hash, and captions that stay on their side."""

import hashlib

import pytest

from spectrum.students.lessons import TooFewPicturesError, split_of, text_rows
from spectrum.students.queries import generic_queries
from spectrum.students.settings import StudentTraining


def hashes(count: int) -> list[str]:
    return [hashlib.blake2b(bytes([n]), digest_size=16).hexdigest() for n in range(count)]


def test_a_tenth_each_and_all_of_them_once() -> None:
    split = split_of(hashes(100))
    assert [len(part) for part in split] == [80, 10, 10]
    assert sorted(sum(split, [])) == sorted(hashes(100))
    assert split_of(hashes(100)[::-1] + hashes(5)) == split


def test_an_added_picture_moves_few() -> None:
    before, after = split_of(hashes(100)), split_of(hashes(101))
    assert len(set(before.held_out) - set(after.held_out)) <= 1
    assert len(set(before.training) - set(after.training)) <= 2


def test_too_few_pictures_are_counted() -> None:
    with pytest.raises(TooFewPicturesError) as raised:
        split_of(hashes(7) * 3)
    assert str(raised.value) == (
        "7 different pictures can be read and at least 20 are needed"
        " (hundreds, for a useful encoder): give a folder with more"
    )


def test_captions_stay_with_their_pictures() -> None:
    split = split_of(hashes(30))
    captions = {hash: (f"picture {hash}", "a dog") for hash in hashes(30)}
    captions[split.training[0]] = ("only mine", "mine as well")
    del captions[split.training[1]]
    generic = [f"thing {number}" for number in range(20)] + [f"picture {split.held_out[0]}"]
    rows = text_rows(split, captions, generic)
    assert not {f"picture {hash}" for hash in split.held_out} & {*rows.training, *rows.validation}
    assert not {*rows.training} & {*rows.validation}
    assert {*rows.validation} == {
        *(f"picture {hash}" for hash in split.validation), "thing 0", "thing 10",
    }  # fmt: skip
    said = [[rows.training[row] for row in own] for own in rows.captions.texts]
    assert said[0] == ["only mine", "mine as well"]
    for row, own in zip(rows.captions.images[1:], said[1:], strict=True):
        # A label that pictures of every part share is learned all the same.
        assert own == [f"picture {split.training[row]}", "a dog"]
    assert 1 not in rows.captions.images
    assert len(rows.captions.images) == len(split.training) - 1
    checked = [[rows.validation[row] for row in own] for own in rows.validation_captions.texts]
    assert checked == [[f"picture {hash}"] for hash in split.validation]


def test_generic_queries_differ_and_repeat() -> None:
    first = generic_queries(3000, seed=1)
    assert len(set(first)) == 3000
    assert first == generic_queries(3000, seed=1)
    assert first != generic_queries(3000, seed=2)
    assert {"dog", "a photo of an owl", "striped"} <= set(first)
    assert max(len(text.split()) for text in first) <= 14
    assert all(text == " ".join(text.split()) for text in first)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("epochs", -1, "epochs must be at least 0, got -1"),
        ("batch", 1, "batch must be at least 2, got 1"),
        ("dropout", 1.0, r"dropout must lie in \[0, 1\), got 1.0"),
        ("generic_texts", 3, "generic_texts must be at least 40, got 3"),
        ("learning_rate", 0.0, "learning_rate must be above 0, got 0.0"),
    ],
)
def test_settings_name_their_limits(name: str, value: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        StudentTraining(**{name: value})
