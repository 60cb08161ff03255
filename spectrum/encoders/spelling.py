"""How a text is spelled, by what a tokenizer makes of its words."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding

ABBREVIATION = 3


def letters_per_piece(text: str, encoding: "Encoding", unknown: int | None) -> float:
    """Letters per piece, of the word that is broken up most; infinite where none is broken.

    A word that many write is one piece, a name is two or three, and letters in no order of any
    language fall into pieces of one or two. Words of up to ABBREVIATION letters do not count, since
    their pieces are short whatever they mean ("bbq", "nyc"); numbers do. 0 for a text of which no
    word with letters can be spelled at all, such as one in another script: each is the piece
    `unknown`.
    """
    places: dict[int, list[int]] = {}
    for place, word in enumerate(encoding.word_ids):
        if word is not None:  # else a mark of the tokenizer's own
            places.setdefault(word, []).append(place)
    spelled: list[bool] = []
    broken: list[float] = []
    for own in places.values():
        said = text[encoding.offsets[own[0]][0] : encoding.offsets[own[-1]][1]]
        if said.isalpha():
            spelled.append(encoding.ids[own[0]] != unknown)
        if len(own) > 1 and not (said.isalpha() and len(said) <= ABBREVIATION):
            broken.append(len(said) / len(own))
    if spelled and not any(spelled):
        return 0.0
    return min(broken, default=math.inf)
