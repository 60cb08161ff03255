"""Text as filters compare it: without case, one form of every letter, no undecodable bytes.

The database keeps such a form beside what is shown, because no database folds all letters: SQLite
knows the case of ASCII only, and names from a Mac hold accents as letters of their own.
"""

import os
from unicodedata import normalize


def searchable_text(text: str) -> str:
    """The text without case, in Unicode's composed form; a surrogate becomes `?`."""
    plain = text.encode("utf-8", "replace").decode()
    return normalize("NFC", normalize("NFC", plain).casefold())


def searchable_folder(path: str) -> str:
    """The folder of a file, with the slash that ends it, so that `/name/` finds whole names."""
    folder = os.path.dirname(path)
    return searchable_text(folder if folder.endswith("/") else f"{folder}/")


def searchable_name(path: str) -> str:
    """The name of a file, with its suffix."""
    return searchable_text(os.path.basename(path))
