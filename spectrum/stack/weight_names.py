"""What is called what in a stack's file, and what the file is known by; read without torch."""

import hashlib

METADATA = "spectrum"
"""The key under which a file says what it is, as JSON."""

SCALES = ".scales"
"""Ending of the name of what a tensor of whole numbers is multiplied with, row by row."""

LEXICON = "lexicon"
"""The key of that JSON under which a lexicon's words and share stand, where there is one."""

LEXICON_ROWS, LEXICON_BASIS = "lexicon.rows", "lexicon.basis"

LEXICON_TOLD = "lexicon.told"
"""The lexicon's coefficients of the reference texts."""

TERMS = "terms"
"""Vectors of words by themselves, which hubness is measured against too."""

PROBE_WEIGHTS = "probe.weights"
"""Of the probe that tells sentences from words; its offset stands beside the lexicon's share."""


def stack_hash(content: bytes) -> str:
    """BLAKE2b-128 of a stack's file, in hexadecimal."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
