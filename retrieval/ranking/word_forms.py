"""Whether two words are forms of one word: `stripes` and `striped`, `snow` and `snowy`.

Plain rules of English spelling, which miss some pairs and join a few that are strangers; good for
telling whether a caption says what somebody asked for, not for indexing text.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_IRREGULAR = {
    "men": "man",
    "women": "woman",
    "children": "child",
    "people": "person",
    "feet": "foot",
    "teeth": "tooth",
    "geese": "goose",
    "mice": "mouse",
    "knives": "knife",
    "leaves": "leaf",
    "wolves": "wolf",
    "shelves": "shelf",
}
_EMPTY_WORDS = (
    "a an the of on in at by to with without and or is are was be it its this that these those"
    " there some any no not only just but same more less very from for as thing things something"
    " anything picture photo image"
)
_EMPTY = frozenset(_EMPTY_WORDS.split())
"""Words that say nothing of what is seen."""
_SHORTEST = 3
"""Letters that a word keeps at least when an ending is taken off."""


@lru_cache(maxsize=4096)
def word_forms(word: str) -> frozenset[str]:
    """The word in lower case, and what it may be a form of: two words match if these meet."""
    plain = word.casefold()
    stems = {_IRREGULAR.get(plain, plain), *_without_ending(plain)}
    return frozenset(stem for stem in stems if len(stem) >= _SHORTEST or stem == plain)


@lru_cache(maxsize=4096)
def said_words(text: str) -> tuple[frozenset[str], ...]:
    """The forms of each word of a text that says something, in order."""
    words = (word.casefold() for word in _WORD.findall(text))
    return tuple(word_forms(word) for word in words if word not in _EMPTY)


def said_share(text: str, caption: str) -> float:
    """The share of the text's words that a caption says, in some form; 0 for a text of none."""
    asked = said_words(text)
    said: frozenset[str] = frozenset().union(*said_words(caption))
    return sum(not forms.isdisjoint(said) for forms in asked) / len(asked) if asked else 0.0


def _without_ending(word: str) -> Iterator[str]:
    if word.endswith("ies"):
        yield word[:-3] + "y"
    elif re.search(r"(s|x|z|ch|sh)es$", word):
        yield word[:-2]
        yield word[:-1]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        yield word[:-1]
    for ending in ("ed", "ing", "y"):
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < _SHORTEST:
            continue
        yield stem
        if ending != "y":
            yield stem + "e"
        if stem[-1] == stem[-2]:
            yield stem[:-1]
    if word.endswith("en") and len(word) > 5:
        yield word[:-2]
