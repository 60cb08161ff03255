"""How bytes become pixels: read once, identified by content, decoded upright into small sRGB.

The only importer of Pillow. Safe to call from many threads: nothing is kept between calls.

Pillow has two process-wide settings that concern us. Its ceiling on pixels is only ever raised, to
the greatest limit that was asked for, so that our limit counts and its checks on inner tiles stay.
Its `UserWarning`s, notes on odd metadata in a stranger's file, are filtered out for good, since
Python cannot filter warnings for one thread. What libtiff says of a damaged TIFF goes to the
process's stderr from C, where nothing here can hold it back.
"""

import importlib
import io
import logging
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, cast

import numpy as np
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageCms
from PIL import __version__ as pillow_version

from indexer import camera_raw
from indexer.deep_grey import SIXTEEN_BITS, eight_bit_grey
from indexer.difference_hash import COLUMNS, ROWS, difference_hash
from indexer.file_content import (
    Limits,
    UnreadableImageError,
    content_hash,
    opened_file,
    read_file,
)
from indexer.formats import IMAGE_SUFFIXES
from indexer.photo_facts import PhotoFacts, photo_facts
from indexer.refusals import missing_extra, told_in_words, undecoded
from spectrum.encoders.protocol import RgbImage

__all__ = [
    "DECODER_VERSION",
    "IMAGE_SUFFIXES",
    "DecodedImage",
    "Limits",
    "UnreadableImageError",
    "content_hash",
    "decode",
    "read_facts",
    "read_file",
    "rgb_of",
]

_FORMATS = (
    *("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "AVIF", "HEIF"),
    *("PSD", "QOI", "PPM", "TGA"),
)
"""Pillow's names in the order in which they are tried; those that are weakly marked come last."""

_WEAKLY_MARKED = ("PPM", "TGA")
"""A text may begin like these: if the header then is not theirs, the file is none of them."""

_PLUGINS = ("Avif", "Jpeg2K", "Psd", "Qoi", "Tga", "Tiff", "WebP")

_AVIF_BRANDS = re.compile(rb"avif|avis")
_HEIF_BRANDS = re.compile(rb"heic|heix|heim|heis|hevc|hevx|hevm|hevs|mif1|msf1")
"""What the containers that AVIF and HEIF share say of their content."""

_MEGA = 1_000_000

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF's orientation to what makes the picture upright; from 5 on width and height swap."""


@dataclass(frozen=True, kw_only=True)
class DecodedImage:
    """A picture as encoders take it."""

    rgb: RgbImage
    """Upright, sRGB, over white where it was transparent; perhaps smaller than the original."""
    width: int
    """Of the upright original, pixels, before any shrinking."""
    height: int
    """Of the upright original, pixels, before any shrinking."""
    format: str
    """Pillow's name of the format, such as `JPEG`; `RAW` for camera negatives."""
    facts: PhotoFacts
    difference_hash: int
    """Of `rgb`; see `indexer.difference_hash`."""


def decode(data: bytes, *, limits: Limits, side_pixels: int) -> DecodedImage:
    """The first picture in `data`, upright, in sRGB, shrunk to what an encoder needs.

    The format is told by the bytes, not by a suffix. JPEG is decoded at the smallest of the scales
    1, 1/2, 1/4, 1/8 whose shorter side is still at least twice `side_pixels`, and whatever is
    still larger is averaged over k by k pixels, k = shorter side // (2 * side_pixels). So the
    shorter side of `rgb` lies in [2, 4) times `side_pixels`, or is the original's if that was
    less. Twice, because both are box filters: the encoder's own, better filter then does the last
    halving and hides their aliasing. The colours are those of `rgb_of`.

    Raises:
        UnreadableImageError: stage `decode`: no image, a missing decoder, too many pixels,
            truncated, damaged. No other exception leaves this function.
    """
    with told_in_words(data):
        _ignore_notes()
        _raise_ceiling(limits.pixels)
        return _decode(data, limits, side_pixels)


def read_facts(path: str, limits: Limits) -> PhotoFacts:
    """What the file says of itself, from its header: nothing is decoded, except in PNG.

    Raises:
        UnreadableImageError: as `read_file` and `decode` do.
    """
    with opened_file(path, limits) as file, told_in_words(b""), io.BufferedReader(file) as reader:
        _ignore_notes()
        _raise_ceiling(limits.pixels)
        with _opened(reader) as image:
            _check_pixels(*image.size, limits)
            return _facts(image)


def rgb_of(image: Image.Image, *, side_pixels: int | None) -> RgbImage:
    """The steps of `decode` for an image that is already open; None shrinks nothing.

    Orientation from EXIF; P, PA, 1, LA, La, RGBa, LAB, HSV, YCbCr and CMYK to RGB; a colour profile
    that is not sRGB applied, or ignored if it is broken or of another colour space; transparency
    over white. Greyscale of more than 8 bits is scaled as `deep_grey` says.

    The image itself is loaded and otherwise left as it is.

    Raises:
        UnreadableImageError: stage `decode`, as `decode` does.
    """
    with told_in_words(b""):
        _ignore_notes()
        return _rgb_of(image, side_pixels)


def _decode(data: bytes, limits: Limits, side_pixels: int) -> DecodedImage:
    if camera_raw.has_raw_signature(data):
        return _developed(data, limits, side_pixels)
    with _opened(io.BytesIO(data)) as image:
        if image.format == "TIFF" and camera_raw.has_raw_tags(getattr(image, "tag_v2", {})):
            return _developed(data, limits, side_pixels)
        _check_pixels(*image.size, limits)
        full = image.size
        drafted = image.draft(None, (2 * side_pixels, 2 * side_pixels)) is not None
        # a TIFF forgets how it lay once it is loaded; a PNG may tell only then
        told = _facts(image) if image.format == "TIFF" else None
        image.load()
        # plugins may turn while loading
        width, height = full if drafted else image.size
        if _orientation(image) >= 5:
            width, height = height, width
        rgb = _rgb_of(image, side_pixels)
        return _decoded(rgb, width, height, image.format or "", told or _facts(image))


def _developed(data: bytes, limits: Limits, side_pixels: int) -> DecodedImage:
    if not camera_raw.is_available():
        raise missing_extra("camera negative", "raw")
    rgb, width, height = camera_raw.develop(
        data,
        check_size=lambda width, height: _check_pixels(width, height, limits),
        side_pixels=side_pixels,
    )
    small = _rgb_of(Image.fromarray(rgb), side_pixels)
    facts = PhotoFacts()
    with suppress(Exception), _opened(io.BytesIO(data)) as container:  # most negatives are TIFF
        facts = _facts(container)
    return _decoded(small, width, height, "RAW", facts)


def _decoded(
    rgb: RgbImage, width: int, height: int, format: str, facts: PhotoFacts
) -> DecodedImage:
    patches = Image.fromarray(rgb).resize((COLUMNS, ROWS), Image.Resampling.BOX).convert("L")
    return DecodedImage(
        rgb=rgb,
        width=width,
        height=height,
        format=format,
        facts=facts,
        difference_hash=difference_hash(np.asarray(patches)),
    )


def _facts(image: Image.Image) -> PhotoFacts:
    try:
        exif = image.getexif()
        return photo_facts(exif, exif.get_ifd(ExifTags.IFD.Exif))
    except Exception:  # broken metadata is no reason to refuse the picture
        return PhotoFacts()


def _opened(file: io.BufferedIOBase) -> Image.Image:
    """The image behind its header. Unlike `Image.open`: our formats only, and our pixel limit."""
    start = file.read(64)
    brands = start[8:] if start[4:8] == b"ftyp" else b""
    for name in _FORMATS:
        factory, accepts = Image.OPEN.get(name, (None, None))
        accepted = factory is not None and (accepts is None or accepts(start[:16]))
        if isinstance(accepted, str):  # the plugin is there and its codec is not
            raise undecoded("MissingDecoderError", f"needs another build of Pillow: {accepted}")
        if factory is None or not accepted or (name == "AVIF" and not _AVIF_BRANDS.search(brands)):
            continue
        file.seek(0)
        try:
            return factory(cast(IO[bytes], file), "")
        except (SyntaxError, IndexError):
            if name not in _WEAKLY_MARKED:
                raise
    if _HEIF_BRANDS.search(brands):
        raise missing_extra("HEIC", "heic")
    raise undecoded("UnidentifiedImageError", "not an image (cannot identify)")


def _rgb_of(image: Image.Image, side_pixels: int | None) -> RgbImage:
    if 0 in image.size:
        raise undecoded("EmptyImageError", f"no pixels: {image.width} x {image.height}")
    image.load()
    profile = image.info.get("icc_profile")
    turn = _TURNS.get(_orientation(image))
    plain = _eight_bit(image)
    if turn is not None:
        plain = plain.transpose(turn)
    factor = 1 if side_pixels is None else min(plain.size) // (2 * side_pixels)
    if factor > 1:
        plain = plain.reduce(factor)
    rgb = _srgb(plain, profile)
    if plain.mode == "RGBA":
        white = Image.new("RGB", plain.size, "white")
        white.paste(rgb, mask=plain.getchannel("A"))
        rgb = white
    return np.array(rgb)


def _eight_bit(image: Image.Image) -> Image.Image:
    """The image as L, RGB, RGBA or CMYK: modes whose pixels may be averaged."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_grey(image))
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB")


def _grey(image: Image.Image) -> UInt8[np.ndarray, "H W"]:
    bits = getattr(image, "tag_v2", {}).get(ExifTags.Base.BitsPerSample)
    packed = bits == (12,)  # a TIFF of 12 bits comes in 16, unscaled
    key = image.info.get("transparency")
    return eight_bit_grey(
        np.asarray(image),
        peak=4095 if packed else SIXTEEN_BITS,
        transparent=key if isinstance(key, int) else None,
    )


def _srgb(image: Image.Image, profile: object) -> Image.Image:
    """Colours without transparency, in sRGB. A profile that is broken or not this image's says
    nothing."""
    plain = image.convert("RGB") if image.mode == "RGBA" else image
    if isinstance(profile, bytes) and profile:
        try:
            source = ImageCms.getOpenProfile(io.BytesIO(profile))
            space = source.profile.xcolor_space.strip()
            fits = {"RGB": "RGB", "CMYK": "CMYK", "L": "GRAY"}[plain.mode] == space
            if fits and "sRGB" not in (source.profile.profile_description or ""):
                target = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(plain, source, target, outputMode="RGB")
                return converted if converted is not None else plain.convert("RGB")
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
    return plain.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """EXIF's number from 1 to 8; 1 where there is none, or broken EXIF."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # broken metadata is no reason to refuse the picture
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.pixels:
        said = f"{width * height / _MEGA:.4g} megapixels, the limit is {limits.pixels / _MEGA:.4g}"
        raise undecoded("TooManyPixelsError", f"{said} (--max-megapixels)")


def _raise_ceiling(pixels: int) -> None:
    ceiling = Image.MAX_IMAGE_PIXELS
    if ceiling is not None and ceiling < pixels:
        Image.MAX_IMAGE_PIXELS = pixels


def _ignore_notes() -> None:
    note = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)
    if note not in warnings.filters:
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def _register() -> str:
    """Brings in the plugins of our formats; returns the versions of everything that decodes."""
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # not to stderr unless asked for
    Image.preinit()
    for plugin in _PLUGINS:
        with suppress(ImportError):  # older Pillows have fewer
            importlib.import_module(f"PIL.{plugin}ImagePlugin")
    versions = [f"pillow {pillow_version}"]
    with suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
        versions.append(f"pillow-heif {pillow_heif.__version__}")
    return ", ".join([*versions, *filter(None, [camera_raw.decoder_version()])])


DECODER_VERSION = _register()
"""What decodes here, e.g. `pillow 13.0.0`; another value is a reason to try failed files again."""
