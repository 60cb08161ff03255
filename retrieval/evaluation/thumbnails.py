"""Pictures small enough to lie inside a page, as data URIs."""

import base64
import io

SIDE_PIXELS = 144
_QUALITY = 70


def thumbnail(path: str) -> str:
    """A picture's JPEG data URI, some 5 kB; empty where the file cannot be read any more."""
    from PIL import Image

    from indexer.file_content import UnreadableImageError
    from retrieval.pictures import rgb_of_source

    try:
        rgb = rgb_of_source(path, SIDE_PIXELS)
    except UnreadableImageError:
        return ""
    image = Image.fromarray(rgb)
    image.thumbnail((SIDE_PIXELS, SIDE_PIXELS))
    written = io.BytesIO()
    image.save(written, format="JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(written.getvalue()).decode("ascii")
