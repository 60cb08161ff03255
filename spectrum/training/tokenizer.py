"""The text tower's own tokenizer, and a warm start for its pieces."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

from spectrum.training.sentences import TRAILING

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
CONTINUED = "##"
LONGEST = 64
"""Tokens of a text that are read, the two at its ends included."""


def with_vocabulary(vocabulary: dict[str, int]) -> Tokenizer:
    """A WordPiece tokenizer of the given pieces: lower case, no accents, no final stop."""
    model = models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix=CONTINUED)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.BertNormalizer(lowercase=True, strip_accents=True),
            normalizers.Replace(Regex(TRAILING.pattern), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUED)
    return tokenizer


def spelled_letters(tokenizer: Tokenizer, text: str) -> set[str]:
    """The letters that are left of a text when it is normalised."""
    return set(tokenizer.normalizer.normalize_str(text)) - {" "}


def trained_tokenizer(texts: Sequence[str], pieces: int) -> Tokenizer:
    """A tokenizer of at most `pieces` pieces, the same for the same texts.

    Texts that differ in case, accents or closing punctuation become the same tokens.
    """
    learning = with_vocabulary({})
    letters = sorted({letter for text in texts for letter in spelled_letters(learning, text)})
    trainer = trainers.WordPieceTrainer(
        vocab_size=pieces,
        min_frequency=2,
        # The trainer numbers letters in the order in which a hash table shows them, and breaks ties
        # by number, so two runs would differ; letters named beforehand keep their order.
        special_tokens=[*SPECIAL, *letters, *(CONTINUED + letter for letter in letters)],
        continuing_subword_prefix=CONTINUED,
        show_progress=False,
    )
    learning.train_from_iterator(texts, trainer)
    found = sorted(learning.get_vocab().items(), key=lambda item: item[1])
    return finished([piece for piece, _ in found])


def chosen_tokenizer(texts: Sequence[str], teacher: Any, pieces: int) -> Tokenizer:
    """A tokenizer of at most `pieces` of the teacher's pieces: those that texts use most.

    `teacher` is the teacher's tokenizer. What is spelled with pieces that stay is spelled as the
    teacher spells it, so that tower and teacher read the same tokens; a word whose piece went is
    spelled with shorter ones. Letters and digits always stay. The same for the same texts.
    """
    known: dict[str, int] = teacher.get_vocab()
    whole = with_vocabulary(known)
    read = whole.encode_batch_fast(list(texts))
    counts = Counter(number for encoding in read for number in encoding.ids)
    letters = {letter for letter in "abcdefghijklmnopqrstuvwxyz0123456789" if letter in known}
    letters |= {CONTINUED + letter for letter in letters if CONTINUED + letter in known}
    first = [*SPECIAL, *sorted(letters)]
    spelling = {number: piece for piece, number in known.items()}
    ranked = sorted(counts, key=lambda number: (-counts[number], number))
    spelled = [spelling[number] for number in ranked if spelling[number] not in first]
    return finished([*first, *spelled][:pieces])


def finished(pieces: Sequence[str]) -> Tokenizer:
    """The tokenizer of these pieces, numbered in their order, with marks at both ends of a text."""
    tokenizer = with_vocabulary({piece: number for number, piece in enumerate(pieces)})
    tokenizer.add_special_tokens(list(SPECIAL))
    ends = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.enable_truncation(LONGEST)
    return tokenizer


def spelled_embeddings(
    tokenizer: Tokenizer, teacher: Any, table: Float32[np.ndarray, "teacherV S"]
) -> Float32[np.ndarray, "V S"]:
    """A first embedding for each piece: the mean of the teacher's for what the piece spells.

    `teacher` is the teacher's tokenizer, `table` its word embeddings. A piece inside a word is
    spelled with the teacher's inside pieces where they exist.
    """
    known = teacher.get_vocab()
    made = np.empty((tokenizer.get_vocab_size(), table.shape[1]), dtype=np.float32)
    for piece, number in tokenizer.get_vocab().items():
        if piece in known:
            spelled = [known[piece]]
        else:
            words = teacher.tokenize(piece.removeprefix(CONTINUED))
            if piece.startswith(CONTINUED):
                words = [w if w.startswith(CONTINUED) else CONTINUED + w for w in words]
            spelled = [
                known.get(word, known.get(word.removeprefix(CONTINUED), 0)) for word in words
            ]
        made[number] = table[spelled or [known["[UNK]"]]].mean(axis=0)
    return made
