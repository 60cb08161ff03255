"""The syntax of terms, as `retrieval/query.py` opens with it."""

from pathlib import Path

import pytest
from PIL import Image

from retrieval.query import ImagePart, Part, Query, QueryError, TextPart, parse_terms


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "cat.png")
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)


def text(words: str, weight: float = 1.0) -> Part:
    return TextPart(text=words, weight=float(weight))


def image(path: str, weight: float = 1.0) -> Part:
    return ImagePart(image=path, weight=float(weight))


@pytest.mark.parametrize(
    ("terms", "parts"),
    [
        (["two", "dogs", "playing"], [text("two dogs playing")]),
        (["two dogs", "on grass"], [text("two dogs on grass")]),
        (["horse", "+stripes"], [text("horse"), text("stripes")]),
        (["apple", "-fruit"], [text("apple"), text("fruit", -1)]),
        (["+ a red car"], [text("a red car")]),
        (["2:cat"], [text("cat", 2)]),
        (["2:cat", "dog"], [text("cat", 2), text("dog")]),
        (["-0.5:cat"], [text("cat", -0.5)]),
        (["+.5:./cat.png"], [image("./cat.png", 0.5)]),
        (["./cat.png"], [image("./cat.png")]),
        (["./cat.png", "at", "night"], [image("./cat.png"), text("at night")]),
        (["at", "./cat.png", "night"], [text("at"), image("./cat.png"), text("night")]),
        (["cat.png"], [image("cat.png")]),
        (["dog.png"], [text("dog.png")]),
        (["notes.txt"], [text("notes.txt")]),
        (["-./cat.png"], [image("./cat.png", -1)]),
        (["a", "-b", "c", "d"], [text("a"), text("b", -1), text("c d")]),
        (["16:9"], [text("16:9")]),
        (["sunrise", "at", "6:30"], [text("sunrise at 6:30")]),
        (["2:3 dogs"], [text("2:3 dogs")]),
        (["2:3d glasses"], [text("3d glasses", 2)]),
        (["time: noon"], [text("time: noon")]),
        (["\N{CAT FACE}"], [text("\N{CAT FACE}")]),
    ],
)
def test_terms(terms: list[str], parts: list[Part]) -> None:
    assert parse_terms(terms) == Query(parts=tuple(parts))


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([], "the query is empty"),
        (["+"], r"'\+' has no words"),
        (["-"], "'-' has no words"),
        (["  "], "a part of the query is empty"),
        (["0:cat"], "a weight of 0 says nothing"),
        (["9999999:cat"], r"a weight of 1e\+07 is no weight: 1e\+06 at most"),
        (["9" * 400 + ":cat"], "a weight of inf is no weight"),
        (["./dog.png"], "./dog.png is no file"),
        (["https://example.org/a.jpg"], "is a web address: download it"),
    ],
)
def test_terms_that_say_nothing(terms: list[str], message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse_terms(terms)
