"""What hurried users make of a text: typos, other numbers of nouns, bare keywords."""

import re
from collections.abc import Callable, Collection

import numpy as np

from spectrum.training.sentences import plain

ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
"""Letters as they lie on a keyboard."""
STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an the this that these those some and or but of in on at to from by for with into onto"
        " over under near up down out off through across along around behind beside between is are"
        " was were be been being am has have had do does it its his her their he she they there"
        " who which while as very other another one",
    )
)
"""Words that a user leaves out who types keywords."""
IRREGULAR = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "person": "people",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "shelf": "shelves",
    "wolf": "wolves",
    "calf": "calves",
    "half": "halves",
    "scarf": "scarves",
}
SINGULARS = {many: one for one, many in IRREGULAR.items()}
PREFIXES = ("a photo of ", "picture of ", "photo of ", "an image of ", "a picture of ", "photo ")


def neighbours(letter: str) -> str:
    """The keys beside a letter's, on its row and on the rows above and below."""
    for number, row in enumerate(ROWS):
        if letter in row:
            place = row.index(letter)
            beside = row[max(0, place - 1) : place] + row[place + 1 : place + 2]
            near = [other for other in (number - 1, number + 1) if 0 <= other < len(ROWS)]
            return beside + "".join(ROWS[other][place : place + 1] for other in near)
    return ""


def misspelled(word: str, random: np.random.Generator) -> str:
    """The word with one slip: two letters swapped, one dropped, doubled, or a key beside it.

    The first letter stays, as it does in most slips of people (Pollock and Zamora, CACM 1984), and
    a word is never returned as it came if it has two different letters after the first.
    """
    for _ in range(8):
        place = int(random.integers(1, len(word)))
        kind = int(random.integers(4))
        before, letter, after = word[:place], word[place], word[place + 1 :]
        if kind == 0 and after:
            made = before + after[0] + letter + after[1:]
        elif kind == 1:
            made = before + after
        elif kind == 2:
            made = before + letter + letter + after
        else:
            near = neighbours(letter.lower())
            made = before + (near[int(random.integers(len(near)))] if near else "") + after
        if made != word:
            return made
    return word


def with_typos(text: str, count: int, random: np.random.Generator, shortest: int = 4) -> str:
    """The text with a slip in `count` of its words of `shortest` letters or more, if it has any."""
    parts = text.split()
    long = [place for place, word in enumerate(parts) if len(word) >= shortest and word.isalpha()]
    for place in random.permutation(long)[:count]:
        parts[place] = misspelled(parts[place], random)
    return " ".join(parts)


def plural(noun: str) -> str:
    """The plural by rule: "dogs", "boxes", "berries", "children"."""
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


def singular(noun: str) -> str:
    """The singular by rule; a word that looks like none of the plurals stays as it is."""
    if noun in SINGULARS:
        return SINGULARS[noun]
    if re.search(r"[^aeiou]ies$", noun) and len(noun) > 4:
        return noun[:-3] + "y"
    if re.search(r"(ss|x|z|ch|sh)es$", noun):
        return noun[:-2]
    if re.search(r"[^su]s$", noun) and len(noun) > 3:
        return noun[:-1]
    return noun


def other_number(text: str, nouns: Collection[str]) -> str:
    """The text with each of the singular `nouns` in it made plural, and their plurals singular."""
    made = []
    for word in text.split():
        lower = word.lower()
        if lower in nouns:
            made.append(plural(lower))
        elif singular(lower) in nouns:
            made.append(singular(lower))
        else:
            made.append(word)
    return " ".join(made)


def keywords(text: str, random: np.random.Generator) -> str:
    """The words that are no stop words, each once, in any order; the text itself if none is left.

    Commas and stops go with them.
    """
    words = [re.sub(r"[^\w'-]", "", word) for word in text.split()]
    kept = [word for word in dict.fromkeys(words) if word and word.lower() not in STOP_WORDS]
    return " ".join(random.permutation(kept)) if kept else text


def without_articles(text: str) -> str:
    """The text without "a", "an" and "the"; the text itself if it is nothing else."""
    kept = [word for word in text.split() if word.lower() not in {"a", "an", "the"}]
    return " ".join(kept) or text


def prefixed(text: str, random: np.random.Generator) -> str:
    """The text as a photograph of it is asked for: "a photo of ", "picture of " and the like.

    A name that has such a beginning already gets another one.
    """
    bare = re.sub(r"^a photo of an? ", "", text)
    return PREFIXES[int(random.integers(len(PREFIXES)))] + bare


def noised(text: str, random: np.random.Generator, nouns: Collection[str]) -> str:
    """What a user might have typed who meant `text`: half of the time the text itself.

    A sentence of five words or more may become keywords or lose its articles; the teacher's vector
    of the whole sentence stays what is wanted, since the same photographs are looked for.
    """
    ways: list[tuple[float, Callable[[str], str]]] = [
        (0.18, lambda said: with_typos(said, 1, random, shortest=3)),
        (0.06, lambda said: other_number(said, nouns)),
        (0.06, lambda said: prefixed(said, random)),
    ]
    if len(text.split()) >= 5:
        ways += [
            (0.05, lambda said: with_typos(said, 2, random, shortest=3)),
            (0.10, lambda said: keywords(plain(said), random)),
            (0.03, lambda said: with_typos(keywords(plain(said), random), 1, random)),
            (0.03, without_articles),
        ]
    chance = float(random.random())
    for share, way in ways:
        if chance < share:
            return way(text)
        chance -= share
    return text
