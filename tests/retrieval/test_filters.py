"""The language of `--where`: what is understood, what is said of the rest, and that SQL agrees."""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy.dialects import postgresql, sqlite

from indexer.captions import CaptionRow, captions_of, store_captions, uncaptioned_ids
from indexer.catalogue import Catalogue
from indexer.filter_sql import condition_sql
from indexer.filters import (
    AllOf,
    AnyOf,
    Condition,
    HasFormat,
    HasShape,
    Known,
    Measured,
    Not,
    Taken,
    TextMatch,
)
from indexer.photo_facts import PhotoFacts
from indexer.records import EncodedFile
from indexer.selection import selected_ids, selected_paths
from retrieval import Library, QueryError
from retrieval.filters import FilterError, parse_filter
from tests.stand_ins import ColourEncoder

YEAR, NEXT = datetime(2019, 1, 1), datetime(2020, 1, 1)
JUNE, JULY = datetime(2019, 6, 1), datetime(2019, 7, 1)
WIDE = Measured(field="width", low=2000, low_included=False)
RED = TextMatch(field="name", pieces=("", "red", ""))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("width>2000", WIDE),
        ("  WIDTH  >  2000px ", WIDE),
        ("(width>2000)", WIDE),
        ("name:Red", RED),
        ("name~'RED'", RED),
        ('name!~"red"', Not(condition=RED)),
        ("not name~red", Not(condition=RED)),
        ("name=a*.JPG", TextMatch(field="name", pieces=("a", ".jpg"))),
        ("name=a.jpg", TextMatch(field="name", pieces=("a.jpg",))),
        ("name~a*", TextMatch(field="name", pieces=("", "a*", ""))),
        (r'caption~"a \"b\""', TextMatch(field="caption", pieces=("", 'a "b"', ""))),
        ("folder:Holiday", TextMatch(field="folder", pieces=("", "/holiday/", ""))),
        ("folder=2019/Holiday", TextMatch(field="folder", pieces=("", "/2019/holiday/"))),
        ("folder:/a/../b/", TextMatch(field="folder", pieces=("/b/", ""))),
        ("folder=/b", TextMatch(field="folder", pieces=("/b/",))),
        ("folder:/", TextMatch(field="folder", pieces=("/", ""))),
        ("folder~oli", TextMatch(field="folder", pieces=("", "oli", ""))),
        ("folder:Trip*", TextMatch(field="folder", pieces=("", "/trip", "/", ""))),
        ("path=/a/b.jpg", TextMatch(field="path", pieces=("/a/b.jpg",))),
        ("path=b.jpg", TextMatch(field="path", pieces=("", "/b.jpg"))),
        ("taken=2019", Taken(start=YEAR, end=NEXT)),
        ("taken:2019-06", Taken(start=JUNE, end=JULY)),
        ("taken!=2019", Not(condition=Taken(start=YEAR, end=NEXT))),
        ("taken>2019", Taken(start=NEXT)),
        ("taken>=2019", Taken(start=YEAR)),
        ("taken<2019", Taken(end=YEAR)),
        ("taken<=2019", Taken(end=NEXT)),
        ("taken=2018-12-31..2019", Taken(start=datetime(2018, 12, 31), end=NEXT)),
        ("taken=..2019", Taken(end=NEXT)),
        ("taken=2019-12", Taken(start=datetime(2019, 12, 1), end=NEXT)),
        ("taken=2020-02-29", Taken(start=datetime(2020, 2, 29), end=datetime(2020, 3, 1))),
        (
            "taken=2019-06-30T23:59",
            Taken(start=datetime(2019, 6, 30, 23, 59), end=JULY),
        ),
        ("taken='2019-6-30 23:59:59'", Taken(start=datetime(2019, 6, 30, 23, 59, 59), end=JULY)),
        ("taken=none", Not(condition=Known(field="taken"))),
        ("camera!=none", Known(field="camera")),
        ('camera="none"', TextMatch(field="camera", pieces=("none",))),
        ("size>1.5MB", Measured(field="size", low=1.5e6, low_included=False)),
        ("size<=2KiB", Measured(field="size", high=2048)),
        ("size=1..2mb", Measured(field="size", low=1e6, high=2e6)),
        ("size=500", Measured(field="size", low=500, high=500)),
        ("size=2MB", Measured(field="size", low=1.5e6, high=2.5e6, high_included=False)),
        ("height=600..", Measured(field="height", low=600)),
        ("megapixels>=12", Measured(field="megapixels", low=12)),
        ("megapixels=12", Measured(field="megapixels", low=11.5, high=12.5, high_included=False)),
        ("format=jpg", HasFormat(formats=("JPEG", "MPO"))),
        ("format!=PNG", Not(condition=HasFormat(formats=("PNG",)))),
        ("orientation=Portrait", HasShape(shape="portrait")),
        ("width>2000 and name~red", AllOf(conditions=(WIDE, RED))),
        ("width>2000 OR name~red", AnyOf(conditions=(WIDE, RED))),
        (
            "name~red or width>2000 and not name~red",
            AnyOf(conditions=(RED, AllOf(conditions=(WIDE, Not(condition=RED))))),
        ),
        (
            "(name~red or width>2000) and name~red",
            AllOf(conditions=(AnyOf(conditions=(RED, WIDE)), RED)),
        ),
        ("not(name~red)", Not(condition=RED)),
    ],
)
def test_what_is_understood(text: str, condition: Condition) -> None:
    assert parse_filter(text) == condition


def test_paths_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    here = f"{os.getcwd()}/pics/".lower()
    assert parse_filter("folder:./pics") == TextMatch(field="folder", pieces=(here, ""))
    assert parse_filter("folder:~/a") == TextMatch(field="folder", pieces=("/home/me/a/", ""))


@pytest.mark.parametrize(
    ("text", "where", "advice"),
    [
        ("widht>2000", "^widht>2000", "no field is called widht: did you mean width?"),
        ("name~a and zzz=1", "and ^zzz=1", "fields are path, folder, name, taken, camera, size"),
        ("width", "width^", "an operator belongs here, one of"),
        ("width>", "width>^", "a value belongs here, such as width>2000"),
        ("width>>20", "width>^>20", "width is a number: write width>2000"),
        ("width>2XB", "width>^2XB", "width is a number"),
        ("size>2XB", "size>^2XB", "write size>2MB"),
        ("camera=Canon EOS", "camera=Canon ^EOS", "a value of several words needs quotes"),
        ("width>2 height>3", "width>2 ^height>3", "'and', 'or', or the end belongs here"),
        ("(width>2", "(width>2^", "a closing parenthesis belongs here"),
        ("width>2)", "width>2^)", "this parenthesis was never opened"),
        ("width>2 and", "width>2 and^", "a comparison such as width>2000 belongs here"),
        ("or width>2", "^or width>2", "a comparison such as width>2000 belongs here"),
        ("()", "(^)", "a comparison such as width>2000 belongs here"),
        ('folder:"a', 'folder:^"a', 'this quote is never closed: write " at the end'),
        ("camera~''", "camera~^''", "the value is empty"),
        ("taken=2019-13", "taken=^2019-13", "there is no such date as 2019-13; taken is a date"),
        ("taken=2019-02-29", "taken=^2019-02-29", "there is no such date"),
        ("taken=soon", "taken=^soon", "write 2019, 2019-06, 2019-06-30 or 2019-06-30T14:05"),
        ("taken~2019", "^taken~2019", "taken cannot be compared by ~: write one of"),
        ("taken>2019..2020", "^taken>2019..2020", "a range of taken cannot be compared by >"),
        ("width=..", "width=^..", "write 600..1200, 600.. or ..1200"),
        ("format=pgn", "format=^pgn", "no format is called pgn: write one of jpeg"),
        ("orientation=up", "orientation=^up", "one of landscape, portrait, square"),
        ("name<b", "^name<b", "name cannot be compared by <"),
        ("name=" + "*" * 9, "name=^***", "8 asterisks at most"),
    ],
)
def test_what_is_not_understood(text: str, where: str, advice: str) -> None:
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    said = str(error.value)
    assert said.startswith("cannot read the filter at ^: ")
    assert where in said
    assert advice in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the filter is empty: write one such as"),
        (" \n", "the filter is empty"),
        ("(" * 4000 + "width>1" + ")" * 4000, "too many parentheses within one another"),
        ("width>1" + " and width>1" * 200, "more than 200 comparisons"),
        ("x" * 10_001, "has 10001 letters: at most 10000"),
    ],
)
def test_filters_of_no_sensible_length(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        parse_filter(text)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(alphabet="widthname takenor().<>=~:\"'*-0129 \n\\%_é\ud800", max_size=40))
def test_any_text_is_a_filter_or_a_line_of_advice(text: str) -> None:
    said = ""
    try:
        condition_sql(parse_filter(text)).compile(dialect=sqlite.dialect())
    except FilterError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1


# SQL --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One picture as a plain value, which the loop below judges."""

    path: str
    content: int
    width: int
    height: int
    size: int
    format: str
    taken: datetime | None
    camera: str | None
    caption: str | None


FOLDERS = ["/p/Holiday 2019", "/p/Holiday 2019/raw", "/p/holiday", "/p/%_x", "/q/\udcff"]
PHOTOS = [
    Photo(
        path=f"{FOLDERS[i % 5]}/{'IMG_' if i % 2 else '100%'}{i}.jpg",
        content=i if i != 7 else 3,
        width=100 * (i % 4 + 1),
        height=100 * (i % 3 + 1),
        size=1000 * i,
        format=("JPEG", "PNG", "MPO")[i % 3],
        taken=None if i % 4 == 3 else datetime(2018 + i % 3, 1 + i % 12, 1 + i % 28, i, 30),
        camera=None if i % 5 == 1 else ("Canon EOS R5", "NIKON D850", "Él_100%")[i % 3],
        caption=None if i % 3 == 1 else f"{i} dogs on Grass",
    )
    for i in range(24)
]


def photo_of(number: int) -> Photo:
    """A copy is of the picture that it copies, whatever its name."""
    return next(photo for photo in PHOTOS if photo.content == number)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalogue, dict[int, int]]]:
    """A catalogue of PHOTOS, and their ids in it by number."""
    catalogue = Catalogue.open(tmp_path_factory.mktemp("filters") / "catalogue.sqlite")
    space = catalogue.add_space(ColourEncoder().identity)
    for photo in PHOTOS:
        kept = photo_of(photo.content)
        file = EncodedFile(
            path=photo.path,
            size_bytes=photo.size,
            mtime_ns=1,
            hash=str(photo.content),
            width=kept.width,
            height=kept.height,
            format=kept.format,
            vector=np.ones(16, dtype=np.float32),
            facts=PhotoFacts(taken_at=kept.taken, camera_model=kept.camera),
        )
        catalogue.record([file], space.id)
    ids = {photo.content: catalogue.ids_of_paths([photo.path])[photo.path] for photo in PHOTOS}
    captions = [
        CaptionRow(content_id=ids[photo.content], text=photo.caption, model="m")
        for photo in PHOTOS
        if photo.caption and photo.path == photo_of(photo.content).path
    ]
    store_captions(catalogue, captions)
    catalogue.set_missing([PHOTOS[20].path], space.id)
    yield catalogue, ids
    catalogue.close()


FITS: dict[str, Callable[[Photo, str], bool]] = {
    'folder:"holiday 2019"': lambda p, path: "/Holiday 2019/" in path,
    'folder="holiday 2019"': lambda p, path: os.path.dirname(path) == "/p/Holiday 2019",
    'folder:"/p/Holiday 2019"': lambda p, path: path.startswith("/p/Holiday 2019/"),
    "folder=/p/holiday": lambda p, path: os.path.dirname(path) == "/p/holiday",
    "folder:HOL*": lambda p, path: "/holiday" in path.lower(),
    "folder~%_": lambda p, path: "%_" in os.path.dirname(path),
    "folder:q": lambda p, path: path.startswith("/q/"),
    "name~img": lambda p, path: "IMG" in os.path.basename(path),
    "name=img_*5.jpg": lambda p, path: os.path.basename(path) in ("IMG_5.jpg", "IMG_15.jpg"),
    "name~0%1": lambda p, path: "0%1" in os.path.basename(path),
    "name~_": lambda p, path: "_" in os.path.basename(path),
    "path~x/img": lambda p, path: "x/IMG" in path,
    "path=/p/holiday/100%2.jpg": lambda p, path: path == "/p/holiday/100%2.jpg",
    "path=100%2.jpg": lambda p, path: path.endswith("/100%2.jpg"),
    "taken=2019": lambda p, path: p.taken is not None and p.taken.year == 2019,
    "taken!=2019": lambda p, path: p.taken is None or p.taken.year != 2019,
    "taken=none": lambda p, path: p.taken is None,
    "taken>2019-05-05": lambda p, path: p.taken is not None and p.taken >= datetime(2019, 5, 6),
    "camera~d850": lambda p, path: p.camera == "NIKON D850",
    "camera!~d850": lambda p, path: p.camera != "NIKON D850",
    "camera='ÉL_100%'": lambda p, path: p.camera == "Él_100%",
    "camera=none": lambda p, path: p.camera is None,
    "width>=300": lambda p, path: p.width >= 300,
    "height<200": lambda p, path: p.height < 200,
    "size>5kB": lambda p, path: size_at(path) > 5000,
    "size=5kB": lambda p, path: 4500 <= size_at(path) < 5500,
    "megapixels>=0.06": lambda p, path: p.width * p.height >= 60_000,
    "orientation=landscape": lambda p, path: p.width > p.height,
    "orientation=square": lambda p, path: p.width == p.height,
    "format=jpeg": lambda p, path: p.format in ("JPEG", "MPO"),
    "caption~'dogs on grass'": lambda p, path: p.caption is not None,
    "caption=none": lambda p, path: p.caption is None,
    "caption='5 dogs*'": lambda p, path: p.caption == "5 dogs on Grass",
}
"""Filter -> the same in Python, of a picture and of one of its files."""


def size_at(path: str) -> int:
    return next(photo.size for photo in PHOTOS if photo.path == path)


def fitting(fits: Callable[[Photo, str], bool]) -> set[str]:
    """The plain loop: files that are present and fit."""
    return {
        photo.path
        for photo in PHOTOS
        if photo is not PHOTOS[20] and fits(photo_of(photo.content), photo.path)
    }


def found(filled: tuple[Catalogue, dict[int, int]], text: str) -> set[str]:
    catalogue, _ = filled
    condition = parse_filter(text)
    ids = selected_ids(catalogue, condition).tolist()
    assert ids == sorted(set(ids))
    paths = selected_paths(catalogue, condition, ids)
    assert all(paths.values())
    return {path for some in paths.values() for path in some}


@pytest.mark.parametrize("text", FITS)
def test_sql_says_what_a_plain_loop_says(
    filled: tuple[Catalogue, dict[int, int]], text: str
) -> None:
    expected = fitting(FITS[text])
    assert found(filled, text) == expected
    assert found(filled, f"not ({text})") == fitting(lambda p, path: not FITS[text](p, path))
    assert 0 < len(expected) < len(PHOTOS) - 1, "a filter that says nothing tests nothing"


def test_and_and_or_of_every_two(filled: tuple[Catalogue, dict[int, int]]) -> None:
    for (one, fits_one), (two, fits_two) in itertools.islice(
        itertools.combinations(FITS.items(), 2), 0, None, 7
    ):
        assert found(filled, f"{one} and not {two}") == fitting(fits_one) - fitting(fits_two)
        assert found(filled, f"{one} or {two}") == fitting(fits_one) | fitting(fits_two)


def test_values_are_never_statements(filled: tuple[Catalogue, dict[int, int]]) -> None:
    for value in ("'; DROP TABLE contents; --", "x' OR '1'='1", '\\" OR 1=1'):
        assert found(filled, f'name="{value}"') == set()
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        sql = str(
            condition_sql(parse_filter("name~abcxyz or camera=abcxyz")).compile(dialect=dialect)
        )
        assert "abcxyz" not in sql


def test_captions_are_replaced_by_model_and_prompt(
    filled: tuple[Catalogue, dict[int, int]],
) -> None:
    catalogue, ids = filled
    id = ids[1]
    assert id in uncaptioned_ids(catalogue, "other")
    first = CaptionRow(content_id=id, text="a Zebra", model="other", confidence=0.5)
    second = CaptionRow(content_id=id, text="stripes", model="other", prompt="what?")
    gone = CaptionRow(content_id=10**6, text="never", model="other")
    store_captions(catalogue, [first, second, gone])
    assert captions_of(catalogue, [id, 10**6]) == {id: [first, second], 10**6: []}
    again = CaptionRow(content_id=id, text="a horse", model="other")
    store_captions(catalogue, [again])
    assert captions_of(catalogue, [id])[id] == [again, second]
    assert id not in uncaptioned_ids(catalogue, "other")
    assert ids[20] not in uncaptioned_ids(catalogue, "m"), "it is missing"
    assert found(filled, "caption~zebra") == set()
    assert found(filled, "caption~STRIPES") == {PHOTOS[1].path}
    store_captions(catalogue, [])


# Searching --------------------------------------------------------------------------------------


@pytest.fixture
def colours(library: Library, pictures: Path, paint: Callable[..., Path]) -> Library:
    for i in range(60):
        paint(pictures / "many" / f"{i}.png", "green", size=(40 + i, 30))
    library.index(pictures)
    return library


def names(library: Library, words: str, top: int, where: str) -> list[str]:
    hits = library.search(words, top=top, where=where).hits
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    return [Path(hit.path).name for hit in hits]


def test_a_filter_gives_the_top_or_all_that_fit(colours: Library) -> None:
    """The best of the others would fill an answer that was filtered afterwards."""
    assert names(colours, "green", 3, "name=red* or name=blue*") == ["blue.png", "red.png"]
    assert names(colours, "green", 1, "name=red.png") == ["red.png"]
    assert len(names(colours, "red", 10, "folder:many")) == 10
    assert len(names(colours, "red", 100, "folder:many")) == 60
    assert names(colours, "red", 5, "width>5000") == []
    answer = colours.search("red", top=5, where="folder:many and width<50")
    assert answer.n_searched == 10
    assert colours.search("red", where=parse_filter("name=red.png")).n_searched == 1


def test_filtered_answers_are_the_unfiltered_ranking_without_the_others(colours: Library) -> None:
    everything = [hit.image_id for hit in colours.search("yellow", top=100).hits]
    for where in ("width>60", "folder:many", "not folder:many", "height=30"):
        some = colours.search("yellow", top=100, where=where).hits
        ids = {hit.image_id for hit in some}
        assert [hit.image_id for hit in some] == [id for id in everything if id in ids]
        top = colours.search("yellow", top=4, where=where).hits
        assert [hit.image_id for hit in top] == [hit.image_id for hit in some][:4]


def test_the_file_that_fits_is_shown_before_its_copies(
    library: Library, tmp_path: Path, paint: Callable[..., Path]
) -> None:
    first, second = paint(tmp_path / "p" / "a" / "1.png"), paint(tmp_path / "p" / "b" / "2.png")
    library.index(tmp_path / "p")
    (hit,) = library.search("red", where="folder:b").hits
    assert (hit.path, hit.copies) == (str(second), (str(first),))
    (hit,) = library.search("red").hits
    assert (hit.path, hit.copies) == (str(first), (str(second),))
    (hit,) = library.similar(first, itself=True, where="folder:b").hits
    assert hit.path == str(second)
    assert library.similar(first, where="folder:b").hits == ()


def test_similar_with_a_filter(colours: Library, pictures: Path) -> None:
    hits = colours.similar(pictures / "green.png", top=3, where="not folder:many").hits
    assert len(hits) == 3
    assert {Path(hit.path).parent for hit in hits} == {pictures}
    with pytest.raises(ValueError, match="top must be at least 1, not 0"):
        colours.similar(pictures / "green.png", top=0)


def test_photographs_by_date_and_camera(library: Library, tmp_path: Path) -> None:
    """The whole way: files with EXIF, indexed, asked for."""
    (tmp_path / "p").mkdir()
    for year in (2018, 2019, 2020):
        tags = Image.Exif()
        tags[271], tags[272] = "Canon", f"Canon {year}"
        tags.get_ifd(34665)[36867] = f"{year}:06:30 12:00:00"
        Image.new("RGB", (40, 30), (year - 1900, 0, 0)).save(
            tmp_path / "p" / f"{year}.jpg", exif=tags.tobytes()
        )
    library.index(tmp_path / "p")
    assert names(library, "red", 5, "taken=2019") == ["2019.jpg"]
    assert names(library, "red", 5, "taken>=2019-07 and camera~canon") == ["2020.jpg"]
    assert names(library, "red", 5, "camera='canon 2018'") == ["2018.jpg"]
