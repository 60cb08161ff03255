"""Names that promise a picture. Knows no Pillow, so that listing a folder stays cheap."""

HEIF_SUFFIXES = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})
"""Telephone photographs; decoded with the extra `heic`."""

RAW_SUFFIXES = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"})
"""Camera negatives; decoded with the extra `raw`."""

IMAGE_SUFFIXES = (
    frozenset(
        {
            *(".apng", ".avif", ".avifs", ".bmp", ".gif"),
            *(".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx"),
            *(".mpo", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi"),
            *(".tga", ".tif", ".tiff", ".webp"),
        }
    )
    | HEIF_SUFFIXES
    | RAW_SUFFIXES
)
"""Every suffix that is looked at, in lower case, with its dot.

Icons (.ico, .icns) are left out: they are no photographs, and the picture inside may be larger
than the header, where the limit is checked, says. Vector and page formats (.svg, .eps, .pdf) are
drawings, and some of them are programs.
"""
