"""How a text is spelled, by what a tokenizer makes of its words."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Encoding


def letters_per_piece(text: str, encoding: "Encoding", unknown: int | None) -> float:
    """Letters per piece, of the word that is broken up most; infinite where none is broken.

    A word that many write is one piece, a name is two or three, and letters in no order of any
    language fall into pieces of one or two. 0 for a text of which no word with letters can be
    spelled at all, such as one in another script: each is the piece `unknown`.
    """
    pieces: dict[int, list[int]] = {}
    spelled: list[bool] = []
    for word, (start, end), id in zip(
        encoding.word_ids, encoding.offsets, encoding.ids, strict=True
    ):
        if word is None:  # a mark of the tokenizer's own
            continue
        pieces.setdefault(word, []).append(end - start)
        if text[start:end].isalpha():
            spelled.append(id != unknown)
    if spelled and not any(spelled):
        return 0.0
    broken = [float(np.mean(letters)) for letters in pieces.values() if len(letters) > 1]
    return min(broken, default=np.inf)
