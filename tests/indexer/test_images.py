"""Bytes to pixels: every mode with worked values, every way of being broken with its message."""

import io
import os
import pickle
import struct
import sys
import threading
import types
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, TiffImagePlugin

from indexer import camera_raw
from indexer.formats import IMAGE_SUFFIXES as BY_FORMATS
from indexer.images import (
    DECODER_VERSION,
    IMAGE_SUFFIXES,
    DecodedImage,
    Limits,
    UnreadableImageError,
    content_hash,
    decode,
    read_file,
    rgb_of,
)

SIDE = 32
"""Larger than half of every small picture here: nothing is shrunk unless a test asks for it."""

TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera that writes this orientation stores an upright scene."""


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes, *, side_pixels: int = SIDE, limits: Limits | None = None) -> DecodedImage:
    return decode(data, limits=limits or Limits(), side_pixels=side_pixels)


def first_pixel(data: bytes) -> tuple[int, ...]:
    return tuple(int(v) for v in decoded(data).rgb[0, 0])


def failure(data: bytes, limits: Limits | None = None) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        decoded(data, limits=limits)
    assert caught.value.stage == "decode"
    assert "\n" not in caught.value.message
    return caught.value


def scene(width: int = 24, height: int = 16) -> Image.Image:
    """Smooth, and different under every turn."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 20 + x * 200 // width, 30 + y * 200 // height
    return Image.fromarray(np.stack([red, green, 255 - red], axis=-1).astype(np.uint8))


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *more: tuple[bytes, bytes]
) -> bytes:
    """A PNG written by hand, for what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


# ── Modes and their worked values ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("mode", "value", "kind", "expected"),
    [
        ("RGB", (10, 20, 30), "PNG", (10, 20, 30)),
        ("RGB", (10, 20, 30), "BMP", (10, 20, 30)),
        ("RGB", (10, 20, 30), "TGA", (10, 20, 30)),
        ("RGB", (10, 20, 30), "PPM", (10, 20, 30)),
        ("RGB", (10, 20, 30), "QOI", (10, 20, 30)),
        ("RGB", (10, 20, 30), "JPEG2000", (10, 20, 30)),
        ("L", 77, "PNG", (77, 77, 77)),
        ("L", 77, "PPM", (77, 77, 77)),
        ("1", 1, "PNG", (255, 255, 255)),
        ("1", 0, "PPM", (0, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "TIFF", (255, 0, 0)),
        ("CMYK", (0, 0, 0, 255), "TIFF", (0, 0, 0)),
        ("CMYK", (0, 0, 0, 51), "TIFF", (204, 204, 204)),
        ("YCbCr", (76, 85, 255), "TIFF", (254, 0, 0)),
        ("LAB", (255, 128, 128), "TIFF", (255, 255, 255)),  # a and b are 0 at 128
        ("RGBA", (200, 100, 0, 0), "PNG", (255, 255, 255)),
        ("RGBA", (200, 100, 0, 255), "PNG", (200, 100, 0)),
        ("RGBA", (200, 100, 0, 51), "PNG", (244, 224, 204)),  # 255 - 0.2 * (255 - v)
        ("LA", (0, 51), "PNG", (204, 204, 204)),
        ("LA", (0, 0), "TIFF", (255, 255, 255)),
        ("I;16", 32768, "PNG", (128, 128, 128)),
        ("I;16", 65535, "TIFF", (255, 255, 255)),
        ("I;16", 257, "TIFF", (1, 1, 1)),
        ("I;16B", 32768, "TIFF", (128, 128, 128)),
        ("I", 32768, "PPM", (128, 128, 128)),
        ("I", 65535, "TIFF", (255, 255, 255)),
        ("F", 0.5, "TIFF", (128, 128, 128)),
        ("F", 1.0, "PPM", (255, 255, 255)),
        ("F", 51.0, "TIFF", (51, 51, 51)),
        ("F", 32768.0, "TIFF", (128, 128, 128)),
    ],
)
def test_a_uniform_picture_of_every_mode(
    mode: str, value: object, kind: str, expected: tuple[int, int, int]
) -> None:
    data = encoded(Image.new(mode, (5, 3), value), kind)
    result = decoded(data)
    assert (result.width, result.height) == (5, 3)
    assert result.rgb.shape == (3, 5, 3)
    distance = np.abs(result.rgb.astype(int) - expected).max()
    assert distance <= (1 if mode in ("YCbCr", "LAB", "RGBA") else 0), result.rgb[0, 0]


@pytest.mark.parametrize(
    ("cmyk", "expected"),
    [
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
    ],
)
def test_cmyk_jpeg_as_adobe_writes_it_inverted(
    cmyk: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    data = encoded(Image.new("CMYK", (16, 16), cmyk), "JPEG", quality=100)
    assert b"Adobe" in data
    assert first_pixel(data) == pytest.approx(expected, abs=2)


def test_ycck_jpeg() -> None:
    """With Cb = Cr = 128 the three inks are equal: Y = 55, so C = 200, inverted 55, K none."""
    data = bytearray(encoded(Image.new("CMYK", (16, 16), (200, 127, 127, 0)), "JPEG", quality=100))
    transform = data.index(b"Adobe") + 11
    assert data[transform] == 0
    data[transform] = 2
    assert first_pixel(bytes(data)) == pytest.approx((200, 200, 200), abs=2)


def test_16_bits_per_channel_are_scaled_not_cut() -> None:
    row = b"\0" + struct.pack(">3H", 0x8000, 0xFFFF, 0x0101)
    assert first_pixel(png(1, 1, 16, 2, row)) == (128, 255, 1)
    grey_with_alpha = b"\0" + struct.pack(">2H", 0, 0x8000)
    assert first_pixel(png(1, 1, 16, 4, grey_with_alpha)) == pytest.approx((127,) * 3, abs=1)


def test_16_bit_grey_with_a_transparent_value() -> None:
    row = b"\0" + struct.pack(">2H", 1000, 257 * 9)
    data = png(2, 1, 16, 0, row, (b"tRNS", struct.pack(">H", 1000)))
    assert decoded(data).rgb[0].tolist() == [[255] * 3, [9] * 3]


def test_12_bits_packed_in_tiff() -> None:
    entries = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (279, 3)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    pixels = b"\xff\xf8\x00"  # 0xfff and 0x800
    data = b"II*\0" + struct.pack("<I", 12) + pixels + b"\0"
    data += struct.pack("<H", len(entries)) + directory + bytes(4)
    assert decoded(data).rgb[0].tolist() == [[255] * 3, [128] * 3]


def test_integers_beyond_16_bits_go_from_least_to_greatest() -> None:
    values = np.array([[-100, 0, 100]], dtype=np.int32)
    assert decoded(encoded(Image.fromarray(values), "TIFF")).rgb[0, :, 0].tolist() == [0, 128, 255]


def test_floating_point_with_gaps() -> None:
    values = np.array([[-1.0, 0.0, 1.0, np.nan, np.inf, -np.inf]], dtype=np.float32)
    grey = decoded(encoded(Image.fromarray(values), "TIFF")).rgb[0, :, 0].tolist()
    assert grey == [0, 128, 255, 0, 255, 0]
    nothing = np.full((1, 2), np.nan, dtype=np.float32)
    assert decoded(encoded(Image.fromarray(nothing), "TIFF")).rgb.tolist() == [[[0] * 3] * 2]


def test_palette_transparency_over_white() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([200, 100, 0, 10, 20, 30, 0, 0, 0])
    image.putdata([0, 1, 2])
    opaque = decoded(encoded(image, "PNG")).rgb[0].tolist()
    assert opaque == [[200, 100, 0], [10, 20, 30], [0, 0, 0]]
    graded = decoded(encoded(image, "PNG", transparency=bytes([0, 255, 51]))).rgb[0].tolist()
    assert graded == [[255, 255, 255], [10, 20, 30], [204, 204, 204]]
    keyed = decoded(encoded(image, "GIF", transparency=1)).rgb[0].tolist()
    assert keyed == [[200, 100, 0], [255, 255, 255], [0, 0, 0]]


def test_a_transparent_colour_of_rgb_and_grey_png() -> None:
    rgb = Image.new("RGB", (2, 1), (1, 2, 3))
    rgb.putpixel((1, 0), (9, 9, 9))
    assert decoded(encoded(rgb, "PNG", transparency=(1, 2, 3))).rgb[0].tolist() == [
        [255] * 3,
        [9] * 3,
    ]
    grey = Image.new("L", (1, 1), 40)
    assert first_pixel(encoded(grey, "PNG", transparency=40)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("La", (0, 51), (204, 204, 204)),
        ("RGBa", (40, 20, 0, 51), (244, 224, 204)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("RGBX", (1, 2, 3, 0), (1, 2, 3)),
        ("PA", None, (255, 255, 255)),
    ],
)
def test_modes_that_only_an_open_image_has(
    mode: str, colour: tuple[int, ...] | None, expected: tuple[int, ...]
) -> None:
    image = Image.new(mode, (2, 2)) if colour is None else Image.new(mode, (2, 2), colour)
    assert rgb_of(image, side_pixels=None)[0, 0].tolist() == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decoded(data).rgb.reshape(-1, 3).tolist() == [[255, 0, 0]] * 64


def test_mpo_gives_its_first_picture() -> None:
    left, right = scene(64, 64), Image.new("RGB", (64, 64), "blue")
    data = encoded(left, "MPO", save_all=True, append_images=[right], quality=95)
    result = decoded(data)
    assert result.format == "MPO"
    assert np.abs(result.rgb.astype(int) - np.asarray(left)).mean() < 2


# ── Orientation and colour profiles ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 100, "subsampling": 0}, 4),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 4),
    ],
)
def test_the_eight_orientations(
    orientation: int, kind: str, options: dict[str, object], tolerance: int
) -> None:
    upright = scene()
    turn = TO_STORED[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = encoded(stored, kind, exif=exif, **options)
    result = decoded(data)
    assert (result.width, result.height) == upright.size
    assert np.abs(result.rgb.astype(int) - np.asarray(upright)).max() <= tolerance
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(rgb_of(image, side_pixels=None), result.rgb)


def test_a_turned_picture_is_shrunk_as_its_upright_twin() -> None:
    upright = scene(90, 70)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    turned = encoded(upright.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)
    result = decoded(turned, side_pixels=8)
    assert np.array_equal(result.rgb, decoded(encoded(upright, "PNG"), side_pixels=8).rgb)
    assert (result.width, result.height, result.rgb.shape) == (90, 70, (18, 23, 3))


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage that is no TIFF header",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",  # 99
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x02\0\0\0A\0\0\0\0\0\0\0",  # text
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_ignored(exif: bytes, kind: str) -> None:
    result = decoded(encoded(scene(), kind, exif=exif))
    assert (result.width, result.height, result.rgb.shape) == (24, 16, (16, 24, 3))


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    renamed = profile.replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be"))
    assert renamed != profile
    return renamed


def test_a_profile_that_is_not_srgb_is_applied() -> None:
    red = Image.new("RGB", (4, 4), (250, 0, 0))
    profile = swapped_profile()
    assert first_pixel(encoded(red, "PNG", icc_profile=profile)) == pytest.approx(
        (0, 0, 250), abs=2
    )
    half = Image.new("RGBA", (4, 4), (250, 0, 0, 51))
    assert first_pixel(encoded(half, "PNG", icc_profile=profile)) == pytest.approx(
        (204, 204, 254), abs=2
    )


@pytest.mark.parametrize("profile", [b"", b"no profile at all", b"\0" * 200])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    image = Image.new("RGB", (4, 4), (250, 1, 2))
    assert first_pixel(encoded(image, "PNG", icc_profile=profile)) == (250, 1, 2)


def test_profiles_of_srgb_and_of_another_colour_space_change_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert first_pixel(encoded(Image.new("RGB", (4, 4), (250, 1, 2)), "PNG", icc_profile=srgb)) == (
        250,
        1,
        2,
    )
    grey = Image.new("L", (4, 4), 99)
    assert first_pixel(encoded(grey, "PNG", icc_profile=swapped_profile())) == (99, 99, 99)


# ── Sizes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("width", "height", "side_pixels", "shape"),
    [
        (1600, 1200, 100, (300, 400)),  # 1200 // 200 = 6: a quarter by DCT, 300 // 200 = 1
        (1200, 1600, 100, (400, 300)),
        (1601, 1201, 10, (22, 29)),  # an eighth: 201 x 151, then averaged over 151 // 20 = 7
        (300, 200, 100, (200, 300)),
        (300, 199, 100, (199, 300)),
        (2000, 30, 15, (30, 2000)),  # the shorter side rules
    ],
)
def test_jpeg_is_decoded_at_a_small_scale(
    width: int, height: int, side_pixels: int, shape: tuple[int, int]
) -> None:
    data = encoded(scene(width, height), "JPEG")
    result = decoded(data, side_pixels=side_pixels)
    assert result.rgb.shape[:2] == shape
    assert (result.width, result.height, result.format) == (width, height, "JPEG")


@given(width=st.integers(1, 200), height=st.integers(1, 200), side_pixels=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_shorter_side_lies_between_two_and_four_sides(
    width: int, height: int, side_pixels: int
) -> None:
    for kind in ("PNG", "JPEG"):
        result = decoded(encoded(scene(width, height), kind), side_pixels=side_pixels)
        shorter = min(result.rgb.shape[:2])
        if min(width, height) < 2 * side_pixels:
            assert result.rgb.shape[:2] == (height, width)
        else:
            assert 2 * side_pixels <= shorter < 4 * side_pixels
        assert (result.width, result.height) == (width, height)


def test_shrinking_averages_blocks() -> None:
    values = np.random.default_rng(7).integers(0, 256, (12, 8, 3), dtype=np.uint8)
    result = decoded(encoded(Image.fromarray(values), "PNG"), side_pixels=2).rgb  # 8 // 4 = 2
    assert result.shape == (6, 4, 3)
    for row in range(6):
        for column in range(4):
            for band in range(3):
                block = [
                    int(values[2 * row + i, 2 * column + j, band]) for i in (0, 1) for j in (0, 1)
                ]
                assert abs(int(result[row, column, band]) - sum(block) / 4) <= 0.5


def test_shrinking_does_not_bleed_the_colour_of_transparent_pixels() -> None:
    image = Image.new("RGBA", (8, 8), (255, 0, 0, 0))  # invisible red
    for y in range(8):
        for x in range(0, 8, 2):
            image.putpixel((x, y), (0, 0, 0, 255))
    result = decoded(encoded(image, "PNG"), side_pixels=2).rgb
    assert np.abs(result.astype(int) - 128).max() <= 1


def test_small_scale_decoding_hardly_changes_what_the_encoder_sees() -> None:
    """The reason for twice `side_pixels`: both ways lead to the same 64 pixels within 1 of 255."""
    noise = np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    data = encoded(
        Image.fromarray(noise).resize((960, 720), Image.Resampling.BICUBIC), "JPEG", quality=95
    )
    full = rgb_of(Image.open(io.BytesIO(data)), side_pixels=None)
    small = decoded(data, side_pixels=64).rgb
    assert (full.shape, small.shape) == ((720, 960, 3), (180, 240, 3))
    seen = [
        np.asarray(Image.fromarray(rgb).resize((85, 64), Image.Resampling.BICUBIC), dtype=float)
        for rgb in (full, small)
    ]
    assert np.abs(seen[0] - seen[1]).mean() < 1


def test_an_open_image_is_not_shrunk_in_place() -> None:
    with Image.open(io.BytesIO(encoded(scene(400, 300), "JPEG"))) as image:
        assert rgb_of(image, side_pixels=10).shape == (20, 27, 3)
        assert image.size == (400, 300)


def test_the_array_is_the_callers_to_write() -> None:
    rgb = decoded(encoded(scene(), "PNG")).rgb
    rgb[0, 0] = 1
    assert rgb.flags.c_contiguous
    assert rgb[0, 0].tolist() == [1, 1, 1]


# ── What is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just a text\n" * 50,
        b"Pyramids of Egypt, a list",
        b"<html><body>404</body></html>",
        "\ufeffUTF-16".encode("utf-16-le"),
        b"\0" * 500,
        b"%PDF-1.7\n",
        b"\0\0\0\x18ftypmp42\0\0\0\0isom",
        b"PK\x03\x04" + b"x" * 100,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",  # Pillow would call Ghostscript
    ],
)
def test_what_is_no_image(data: bytes) -> None:
    assert failure(data).message == "not an image (cannot identify)"


def test_the_suffix_does_not_matter() -> None:
    icon = encoded(Image.new("RGB", (16, 16)), "ICO")
    assert failure(icon).message == "not an image (cannot identify)"
    assert decoded(encoded(scene(), "GIF")).format == "GIF"


def test_a_bomb_is_refused_by_its_header() -> None:
    rows = b"".join(b"\0" + bytes(2500) for _ in range(4))  # of 20,000: nothing more is needed
    error = failure(png(20_000, 20_000, 1, 0, rows))
    assert error.error_class == "TooManyPixelsError"
    assert error.message == "400 megapixels, the limit is 200 (--max-megapixels)"


def test_our_limit_counts_and_not_pillows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    image = encoded(Image.new("L", (100, 100), 9), "TIFF")
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(image))
    exact = Limits(pixels=10_000)
    assert decoded(image, limits=exact).rgb.shape == (100, 100, 3)
    error = failure(encoded(Image.new("L", (101, 100)), "TIFF"), exact)
    assert error.message == "0.0101 megapixels, the limit is 0.01 (--max-megapixels)"
    # between one and two times Pillow's ceiling it would warn: our error comes instead
    failure(encoded(Image.new("L", (150, 100)), "PNG"), exact)
    assert Image.MAX_IMAGE_PIXELS == 10_000
    decoded(image, limits=Limits(pixels=20_000))
    decoded(image, limits=exact)
    assert Image.MAX_IMAGE_PIXELS == 20_000, "never lowered: another thread may rely on it"


def test_a_webp_canvas_beyond_pillows_ceiling_is_told_as_too_many_pixels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pillow checks it before it gives us the size."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    error = failure(encoded(scene(200, 100), "WEBP"), Limits(pixels=9_000))
    assert error.error_class == "TooManyPixelsError"
    assert error.message == "0.02 megapixels: more than the limit (--max-megapixels)"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TGA", "PPM", "QOI"])
def test_every_truncation_is_told(kind: str) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for length in range(20, len(data) * 9 // 10, 7):
        assert failure(data[:length]).message.startswith(("truncated: ", "damaged: ")), length
    assert failure(data[: len(data) * 2 // 3]).message.startswith("truncated: ")


def test_damage_is_told_with_its_reason() -> None:
    data = bytearray(encoded(scene(), "PNG"))
    data[20] ^= 1  # the header's checksum no longer fits
    error = failure(bytes(data))
    assert error.error_class == "SyntaxError"
    assert error.message.startswith("damaged: broken PNG file")


def test_no_pixels() -> None:
    assert failure(png(0, 5, 8, 0, b"")).stage == "decode"
    with pytest.raises(UnreadableImageError, match="^no pixels: 0 x 5$"):
        rgb_of(Image.new("RGB", (0, 5)), side_pixels=None)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heic_names_its_extra(brand: bytes) -> None:
    if "pillow-heif" in DECODER_VERSION:
        pytest.skip("the extra is installed: nothing is missing")
    data = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(40)
    assert failure(data).message == (
        "HEIC: needs the extra: pip install 'spectrum-retrieval[heic]'"
    )


@pytest.mark.parametrize(
    "head",
    [b"FUJIFILMCCD-RAW 0201", b"IIRO\x08\0\0\0", b"IIU\0\x18\0\0\0", b"II*\0\x10\0\0\0CR\2\0"]
    + [b"\0\0\0\x18ftypcrx \0\0\0\1"],
)
def test_a_makers_container_names_its_extra(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_raw, "is_available", lambda: False)
    message = failure(head + bytes(100)).message
    assert message == "camera negative: needs the extra: pip install 'spectrum-retrieval[raw]'"


def negative(tags: dict[int, tuple[int, object]]) -> bytes:
    """A TIFF as DNG and NEF are: its first picture is a thumbnail."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, (kind, value) in tags.items():
        directory.tagtype[tag] = kind
        directory[tag] = value
    return encoded(scene(), "TIFF", tiffinfo=directory)


DNG = {50706: (1, bytes([1, 4, 0, 0]))}
NEF = {254: (4, 1), 330: (4, 8)}


@pytest.mark.parametrize("tags", [DNG, NEF])
def test_a_thumbnail_is_not_taken_for_the_negative(
    tags: dict[int, tuple[int, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_raw, "is_available", lambda: False)
    assert "spectrum-retrieval[raw]" in failure(negative(tags)).message
    plain = negative({254: (4, 1)})  # a reduced picture alone is no negative
    assert decoded(plain).format == "TIFF"


def test_a_negative_is_developed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for rawpy, whose wheels are an extra."""
    asked: list[dict[str, object]] = []

    class Raw:
        sizes = types.SimpleNamespace(width=100, height=60, flip=6)

        def __enter__(self) -> "Raw":
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def postprocess(self, **options: object) -> np.ndarray:
            asked.append(options)
            return np.full((50, 30, 3) if options["half_size"] else (100, 60, 3), 40, np.uint8)

    stand_in = types.SimpleNamespace(imread=lambda file: Raw())
    monkeypatch.setitem(sys.modules, "rawpy", stand_in)
    monkeypatch.setattr(camera_raw, "is_available", lambda: True)
    data = negative(DNG)
    small = decoded(data, side_pixels=15)
    assert (small.width, small.height, small.format) == (60, 100, "RAW")
    assert small.rgb.shape == (50, 30, 3)
    assert decoded(data, side_pixels=16).rgb.shape == (100, 60, 3)
    assert [options["half_size"] for options in asked] == [True, False]
    with pytest.raises(UnreadableImageError, match="^0.006 megapixels, the limit is 0.005"):
        decode(data, limits=Limits(pixels=5_000), side_pixels=15)
    assert len(asked) == 2, "refused before any pixel is decoded"


# ── Fuzzing ──────────────────────────────────────────────────────────────────────────────────────


def _samples() -> dict[str, bytes]:
    small = scene(20, 14)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    frames = [small, small.transpose(Image.Transpose.ROTATE_180)]
    profile = swapped_profile()
    return {
        "jpeg": encoded(small, "JPEG", exif=exif, icc_profile=profile),
        "progressive": encoded(small, "JPEG", progressive=True),
        "cmyk": encoded(small.convert("CMYK"), "JPEG"),
        "mpo": encoded(small, "MPO", save_all=True, append_images=frames[1:]),
        "png": encoded(small, "PNG", exif=exif),
        "palette": encoded(small.convert("P"), "PNG", transparency=bytes(range(256))),
        "apng": encoded(small, "PNG", save_all=True, append_images=frames[1:]),
        "gif": encoded(small, "GIF", save_all=True, append_images=frames[1:]),
        "webp": encoded(small, "WEBP", exif=exif),
        "tiff": encoded(small, "TIFF", exif=exif),
        "lzw": encoded(small, "TIFF", compression="tiff_lzw"),
        "bmp": encoded(small, "BMP"),
        "tga": encoded(small, "TGA"),
        "ppm": encoded(small, "PPM"),
        "qoi": encoded(small, "QOI"),
        "jpeg2000": encoded(small, "JPEG2000"),
        "avif": encoded(small, "AVIF", exif=exif),
    }


SAMPLES = _samples()


def outcome(data: bytes) -> DecodedImage | UnreadableImageError:
    try:
        return decode(data, limits=Limits(pixels=500_000), side_pixels=4)
    except UnreadableImageError as error:
        return error


@given(kind=st.sampled_from(sorted(SAMPLES)), data=st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_bytes_decode_or_are_refused(kind: str, data: st.DataObject) -> None:
    """Nothing but UnreadableImageError, and no warning (which pytest makes an error)."""
    damaged = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(0, 4))):
        # most damage that matters is in the header
        last = len(damaged) - 1
        position = data.draw(st.integers(0, min(last, 300)) | st.integers(0, last))
        damaged[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged))) :]
    result = outcome(bytes(damaged))
    if isinstance(result, UnreadableImageError):
        assert result.stage == "decode"
        assert result.message.isprintable()
        assert result.message.strip() == result.message != ""
    else:
        assert result.width * result.height <= 500_000
        assert min(result.rgb.shape[:2]) <= min(result.width, result.height)


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────


def refusal(path: Path | str, limits: Limits | None = None) -> tuple[str, str, str]:
    with pytest.raises(UnreadableImageError) as caught:
        read_file(os.fspath(path), limits or Limits())
    return caught.value.stage, caught.value.error_class, caught.value.message


def test_reading_gives_every_byte(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 256, 3_000_001, dtype=np.uint8).tobytes()
    file = tmp_path / "a b\n\U0001f600.jpg"
    file.write_bytes(data)
    assert read_file(str(file), Limits()) == data
    assert read_file(str(file), Limits(file_bytes=len(data))) == data
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg")
    os.link(file, odd)
    assert read_file(odd, Limits()) == data


def test_what_cannot_be_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    assert refusal(empty) == ("read", "EmptyFileError", "empty: the file has 0 bytes")
    assert refusal(tmp_path / "gone.jpg") == (
        "read",
        "FileNotFoundError",
        "vanished: no such file",
    )
    assert refusal(tmp_path)[0::2] == ("read", "a folder, not a file")
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    assert refusal(pipe) == ("read", "SpecialFileError", "not a regular file")
    big = tmp_path / "big.jpg"
    with big.open("wb") as file:
        file.truncate(3 * 1024 * 1024)  # sparse: nothing is written
    assert refusal(big, Limits(file_bytes=2 * 1024 * 1024)) == (
        "read",
        "FileTooLargeError",
        "3 MiB, the limit is 2",
    )


def test_a_file_that_grows_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux says 0 bytes of /proc/self/environ and then gives more: as a growing file does."""
    path = "/proc/self/status"
    if not os.path.exists(path):
        pytest.skip("no /proc on this system")
    assert os.stat(path).st_size == 0
    assert b"Name:" in read_file(path, Limits())
    stage, error_class, message = refusal(path, Limits(file_bytes=10))
    assert (stage, error_class) == ("read", "FileTooLargeError")
    assert message.endswith("the limit is 9.537e-06")


def test_permission_and_device_errors_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    assert refusal(tmp_path / "x") == ("read", "PermissionError", "permission denied")

    def fail(path: str, flags: int) -> int:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(os, "open", fail)
    assert refusal(tmp_path / "x") == ("read", "OSError", "Input/output error")


def test_content_hash_is_blake2b_128() -> None:
    assert content_hash(b"") == "cae66941d9efbd404e4d88758ea67670"
    assert len({content_hash(bytes([i])) for i in range(256)}) == 256


# ── The contract ─────────────────────────────────────────────────────────────────────────────────


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="pixels must be greater than 0, got 0"):
        Limits(pixels=0)
    assert (Limits().file_bytes, Limits().pixels) == (512 * 1024 * 1024, 200_000_000)


def test_the_error_travels_between_processes() -> None:
    error = UnreadableImageError(stage="read", error_class="X", message="a\nb\x00  c " + "d" * 400)
    again = pickle.loads(pickle.dumps(error))
    assert (again.stage, again.error_class, again.message) == ("read", "X", error.message)
    assert str(again).startswith("a b c ddd")
    assert len(str(again)) == 200


def test_suffixes_and_version() -> None:
    assert IMAGE_SUFFIXES is BY_FORMATS
    assert {".jpg", ".heic", ".dng", ".avif", ".jp2"} <= IMAGE_SUFFIXES
    assert all(s == s.lower() and s.startswith(".") for s in IMAGE_SUFFIXES)
    assert DECODER_VERSION.startswith("pillow ")


def test_threads_get_the_same_pixels_and_leave_no_trace() -> None:
    kinds = sorted(SAMPLES)
    alone = {kind: decoded(SAMPLES[kind], side_pixels=4).rgb for kind in kinds}
    filters = list(warnings.filters)
    start = threading.Barrier(8)

    def work(seed: int) -> list[bool]:
        start.wait()
        order = np.random.default_rng(seed).permutation(kinds * 5)
        return [
            np.array_equal(decoded(SAMPLES[kind], side_pixels=4).rgb, alone[kind]) for kind in order
        ]

    with ThreadPoolExecutor(8) as pool:
        assert all(all(same) for same in pool.map(work, range(8)))
    assert warnings.filters == filters
