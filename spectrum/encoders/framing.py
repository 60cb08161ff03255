"""Words around what a text asks for, which say nothing of what is to be seen."""

import re

_FRAME = re.compile(
    r"^\W*(?:an?|the)?\W*(?:photo(?:graph)?|picture|image)s?\s+of\s+(?=\w)", re.IGNORECASE
)


def unframed(text: str) -> str:
    """The text without "a photo of" or its like at the beginning; the text itself without any."""
    return _FRAME.sub("", text)


def with_article(name: str) -> str:
    """The name after its article: "a dog", "an owl"."""
    article = "an" if name[:1].lower() in set("aeiou") else "a"
    return f"{article} {name}"
