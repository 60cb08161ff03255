"""What photographs say of themselves: from real files, from nonsense, and from old libraries."""

import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import select

from indexer.file_content import Limits, UnreadableImageError
from indexer.images import decode, read_facts
from indexer.photo_facts import FACTS_VERSION, PhotoFacts, photo_facts
from indexer.schema import Content, Location
from indexer.searchable_text import searchable_folder, searchable_name, searchable_text
from retrieval import Library
from tests.stand_ins import ColourEncoder

Paint = Callable[..., Path]
MAKER, MODEL, ORIENTATION, CHANGED, EXIF = 271, 272, 274, 306, 34665
TAKEN, DIGITISED = 36867, 36868
OLD = Path(__file__).with_name("catalogue_0001.sql")


def exif(tags: dict[int, object], own: dict[int, object] | None = None) -> Image.Exif:
    made = Image.Exif()
    for number, value in tags.items():
        made[number] = value
    for number, value in (own or {}).items():
        made.get_ifd(EXIF)[number] = value
    return made


def photograph(kind: str, tags: Image.Exif, colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(buffer, kind, exif=tags.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_facts_of_real_files(tmp_path: Path, kind: str) -> None:
    tags = exif(
        {MAKER: "Canon", MODEL: "Canon EOS R5", ORIENTATION: 6, CHANGED: "2021:01:01 00:00:00"},
        {TAKEN: "2019:06:30 14:05:09"},
    )
    file = tmp_path / "a"
    file.write_bytes(photograph(kind, tags))
    expected = PhotoFacts(
        taken_at=datetime(2019, 6, 30, 14, 5, 9),
        camera_maker="Canon",
        camera_model="Canon EOS R5",
        exif_orientation=6,
    )
    assert read_facts(str(file), Limits()) == expected
    image = decode(file.read_bytes(), limits=Limits(), side_pixels=8)
    assert image.facts == expected
    assert (image.width, image.height) == (30, 40)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "JPEG"])
def test_files_that_say_nothing(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a"
    Image.new("RGB", (40, 30)).save(file, kind)
    assert read_facts(str(file), Limits()) == PhotoFacts()


@pytest.mark.parametrize(
    ("tags", "own", "taken"),
    [
        ({CHANGED: "2020:02:03 04:05:06"}, {}, datetime(2020, 2, 3, 4, 5, 6)),
        (
            {CHANGED: "2020:02:03 04:05:06"},
            {TAKEN: "0000:00:00 00:00:00"},
            datetime(2020, 2, 3, 4, 5, 6),
        ),
        ({}, {DIGITISED: "2019:02:03 04:05:06", TAKEN: ""}, datetime(2019, 2, 3, 4, 5, 6)),
        ({}, {TAKEN: "2019-02-03T04:05"}, datetime(2019, 2, 3, 4, 5)),
        ({}, {TAKEN: b"2019:02:03 04:05:06\0"}, datetime(2019, 2, 3, 4, 5, 6)),
        ({}, {TAKEN: "2019:02:03"}, datetime(2019, 2, 3)),
        ({}, {TAKEN: "2019:02:30 04:05:06"}, None),
        ({}, {TAKEN: "2019:02:03 24:05:06"}, None),
        ({}, {TAKEN: "    :  :     :  :  "}, None),
        ({}, {TAKEN: 20190203}, None),
    ],
)
def test_times(tags: dict[int, object], own: dict[int, object], taken: datetime | None) -> None:
    assert photo_facts(tags, own).taken_at == taken


@pytest.mark.parametrize(
    ("maker", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "canon eos r5"),
        ("NIKON CORPORATION", "NIKON D850", "nikon d850"),
        ("SONY", "ILCE-7M3", "sony ilce-7m3"),
        ("Apple\0\0", " iPhone\t12  ", "apple iphone 12"),
        ("", "X", "x"),
        ("Leica", None, "leica"),
        (None, None, None),
        (7, b"\xff\x00z", "\ufffd"),
        (
            "\N{LATIN CAPITAL LETTER E}\N{COMBINING ACUTE ACCENT}",
            "M",
            "\N{LATIN SMALL LETTER E WITH ACUTE} m",
        ),
    ],
)
def test_cameras(maker: object, model: object, camera: str | None) -> None:
    assert photo_facts({MAKER: maker, MODEL: model}, {}).camera == camera


@pytest.mark.parametrize("value", [0, 9, -1, "6", None, 6.0])
def test_orientations_that_are_none(value: object) -> None:
    assert photo_facts({ORIENTATION: value}, {}).exif_orientation is None


_text = st.text(max_size=200)
_values = st.one_of(st.none(), st.integers(), _text, st.binary(max_size=20), st.just((1, 2)))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tags=st.dictionaries(st.sampled_from([MAKER, MODEL, ORIENTATION, CHANGED]), _values),
    own=st.dictionaries(st.sampled_from([TAKEN, DIGITISED]), _values),
)
def test_nonsense_is_no_fact_and_no_error(tags: dict[int, object], own: dict[int, object]) -> None:
    facts = photo_facts(tags, own)
    for text in (facts.camera_maker, facts.camera_model):
        assert text is None or (0 < len(text) <= 100 and text == text.strip() and "\n" not in text)
    if facts.camera is not None:
        facts.camera.encode()


def test_broken_exif_costs_no_picture(tmp_path: Path) -> None:
    tags = exif({MAKER: "Canon"}, {TAKEN: "2019:06:30 14:05:09"})
    data = photograph("JPEG", tags)
    at = data.index(b"Exif\0\0") + 6
    for start in range(at, at + 40, 2):
        broken = data[:start] + b"\xff\xff" + data[start + 2 :]
        assert decode(broken, limits=Limits(), side_pixels=8).width == 40


def test_facts_of_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(UnreadableImageError, match="not an image"):
        read_facts(str(tmp_path / "a.jpg"), Limits())
    with pytest.raises(UnreadableImageError, match="vanished"):
        read_facts(str(tmp_path / "b.jpg"), Limits())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableImageError, match="not a regular file"):
        read_facts(str(tmp_path / "pipe"), Limits())


def test_searchable_text_is_the_same_for_what_looks_the_same() -> None:
    assert searchable_text("U\N{COMBINING DIAERESIS}BER") == searchable_text("über") == "über"
    assert searchable_text("Straße") == "strasse"
    assert searchable_text(os.fsdecode(b"a\xff")) == "a?"
    assert searchable_folder("/A/B c/D.jpg") == "/a/b c/"
    assert searchable_folder("/d.jpg") == "/"
    assert searchable_name("/A/B c/D.JPG") == "d.jpg"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_text)
def test_searchable_text_is_settled(text: str) -> None:
    assert searchable_text(searchable_text(text)) == searchable_text(text)


# Libraries of revision 0001 ---------------------------------------------------------------------


@pytest.fixture
def old(tmp_path: Path, paint: Paint) -> Path:
    """A library that revision 0001 made of the files which now lie in `pictures`.

    Its dump was written by that version's own code: three pictures, a copy of two of them, one
    under a name that is no text, and a file that failed.
    """
    pictures = tmp_path / "pictures"
    for colour in ("red", "green", "blue"):
        paint(pictures / f"{colour}.png", colour)
    shutil.copy(
        pictures / "red.png", pictures / "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}berall.png"
    )
    shutil.copy(pictures / "blue.png", os.fsencode(pictures) + b"/\xff.png")
    (pictures / "bad.jpg").write_text("hello")
    library = tmp_path / "old.library"
    library.mkdir()
    with closing(sqlite3.connect(library / "catalogue.sqlite")) as connection, connection:
        connection.executescript(OLD.read_text())
        for (before,) in connection.execute("SELECT path FROM locations").fetchall():
            path = os.fsencode(pictures) + before.removeprefix(b"/old/pictures")
            seen = os.stat(path)
            connection.execute(
                "UPDATE locations SET path = ?, size_bytes = ?, mtime_ns = ? WHERE path = ?",
                (path, seen.st_size, seen.st_mtime_ns, before),
            )
        connection.execute("UPDATE roots SET path = ?", (os.fsencode(pictures),))
        connection.execute("UPDATE roots SET device = ?", (os.stat(pictures).st_dev,))
    return library


def contents(library: Library) -> list[Content]:
    with library.catalogue.reading() as session:
        found = list(session.scalars(select(Content).order_by(Content.id)))
        session.expunge_all()
        return found


def test_an_old_library_goes_on_working(old: Path) -> None:
    with Library.open(old, encoder=ColourEncoder()) as library:
        assert [Path(hit.path).name for hit in library.search("green", top=1).hits] == ["green.png"]
        assert len(library.search("red").hits) == 3
        assert [content.facts_version for content in contents(library)] == [None] * 3
        with library.catalogue.reading() as session:
            names = session.execute(select(Location.path, Location.folder, Location.name)).all()
    assert all(row.folder == searchable_folder(row.path) for row in names)
    assert all(row.name == searchable_name(row.path) for row in names)
    assert {row.name for row in names} >= {
        "?.png",
        "\N{LATIN SMALL LETTER U WITH DIAERESIS}berall.png",
    }


def test_indexing_an_old_library_reads_facts_and_encodes_nothing(old: Path) -> None:
    pictures = old.parent / "pictures"
    encoder = ColourEncoder()
    with Library.open(old, encoder=encoder) as library:
        report = library.index(pictures)
        assert (report.facts_read, report.encoded, encoder.n_prepared) == (3, 0, 0)
        assert {content.facts_version for content in contents(library)} == {FACTS_VERSION}
        assert library.index(pictures).facts_read == 0


def test_a_file_that_changed_is_not_believed_for_the_old_picture(old: Path, paint: Paint) -> None:
    from indexer.refresh import fill_facts

    pictures = old.parent / "pictures"
    paint(pictures / "green.png", "white", size=(50, 50))
    with Library.open(old, encoder=ColourEncoder()) as library:
        n = fill_facts(library.catalogue, str(pictures), limits=Limits(), workers=2)
        assert n == 2
        assert [content.facts_version for content in contents(library)] == [1, None, 1]


def test_facts_below_other_folders_are_left_alone(old: Path) -> None:
    from indexer.refresh import fill_facts

    with Library.open(old, encoder=ColourEncoder()) as library:
        assert fill_facts(library.catalogue, "/elsewhere", limits=Limits(), workers=2) == 0
        stopped = fill_facts(
            library.catalogue, "/", limits=Limits(), workers=2, stop_requested=lambda: True
        )
        assert stopped == 0


def test_new_pictures_are_stored_with_their_facts(library: Library, tmp_path: Path) -> None:
    tags = exif({MAKER: "Canon", MODEL: "Canon EOS R5"}, {TAKEN: "2019:06:30 14:05:09"})
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.jpg").write_bytes(photograph("JPEG", tags))
    report = library.index(tmp_path / "p")
    (content,) = contents(library)
    assert (report.encoded, report.facts_read) == (1, 0)
    assert (content.taken_at, content.camera) == (datetime(2019, 6, 30, 14, 5, 9), "canon eos r5")
    assert (content.facts_version, content.difference_hash) == (FACTS_VERSION, 0)
