"""A folder with everything that goes wrong: what can be read is found, the rest has a reason."""

import io
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from PIL import Image

from indexer.records import FailureRow
from retrieval import Library
from tests.stand_ins import ColourEncoder

NOBODY = 65534


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads everything; a test of permissions has to be somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A temporary folder that other users may enter, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="spectrum-hostile-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def jpeg(colour: str, size: tuple[int, int] = (64, 48)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def huge_png(side: int) -> bytes:
    """A valid greyscale PNG of side x side pixels in a few hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    row = b"\0" + b"\xff" * side
    packer = zlib.compressobj()
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def write_readable(folder: Path) -> dict[bytes, str]:
    """Odd but good pictures: name -> colour."""
    Image.new("CMYK", (60, 40), (0, 255, 255, 0)).save(folder / "cmyk.jpg", quality=95)
    Image.fromarray(np.full((40, 60), 65535, dtype=np.uint16)).save(folder / "sixteen.png")
    frames = [Image.new("RGB", (50, 40), colour) for colour in ("blue", "red")]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    palette = Image.new("P", (50, 41), 0)
    palette.putpalette([255, 255, 0, 0, 0, 0])
    palette.putpixel((0, 0), 1)
    palette.save(folder / "palette.png", transparency=1)
    names = {
        b"cmyk.jpg": "red",
        b"sixteen.png": "white",
        b"animated.gif": "blue",
        b"palette.png": "yellow",
        b"with a space.jpg": "red",
        b"with a\nnewline.jpg": "red",
        "\N{CAT FACE}.jpg".encode(): "red",
        b"not-utf8-\xff\xfe.jpg": "red",
    }
    for i, name in enumerate(name for name in names if not (folder / os.fsdecode(name)).exists()):
        with open(os.path.join(os.fsencode(folder), name), "wb") as stream:
            stream.write(jpeg("red", (64, 48 + i)))
    return names


def write_unreadable(folder: Path) -> dict[str, str]:
    """Name -> what its reason must speak of."""
    (folder / "truncated.jpg").write_bytes(jpeg("red")[:300])
    (folder / "text.jpg").write_text("this is a text")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "huge.png").write_bytes(huge_png(20_000))
    (folder / "secret.jpg").write_bytes(jpeg("green"))
    (folder / "secret.jpg").chmod(0)
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "sub").mkdir(mode=0o777)
    (folder / "sub" / "up").symlink_to("..")
    return {
        "truncated.jpg": "truncated",
        "text.jpg": "not an image",
        "empty.jpg": "empty",
        "huge.png": "400 megapixels",
        "secret.jpg": "ermission denied",
        "dangling.jpg": "dangling",
        "loop.jpg": "loop",
        "sub/up": "loop",
    }


def test_every_readable_image_is_found_and_every_other_has_a_reason(open_folder: Path) -> None:
    folder = open_folder / "pictures"
    folder.mkdir(mode=0o777)
    readable, unreadable = write_readable(folder), write_unreadable(folder)
    # The first run imports what a process without rights could not read, the project included.
    with Library.open(open_folder / "first.library", encoder=ColourEncoder()) as first:
        first.index(folder / "cmyk.jpg")
    library_folder = open_folder / "test.library"
    library_folder.mkdir()
    library_folder.chmod(0o777)
    with (
        without_privileges(),
        Library.open(library_folder, encoder=ColourEncoder()) as library,
    ):
        report = library.index(folder)
        assert (report.encoded, report.failed_standing) == (len(readable), len(unreadable))
        for name, colour in readable.items():
            hits = library.search(colour, top=8, duplicates=True).hits
            alike = [hit for hit in hits if hit.similarity > 0.99]
            assert name in {os.path.basename(os.fsencode(hit.path)) for hit in alike}, name
        _check_reasons(folder, library.failures(), unreadable)
        again = library.index(folder)
        assert (again.unchanged, again.to_do) == (len(readable), 0)


def _check_reasons(folder: Path, rows: list[FailureRow], reasons: dict[str, str]) -> None:
    said = {os.path.relpath(row.path, folder): row.message for row in rows}
    assert said.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in said[name]
        assert "\n" not in said[name]
