"""A trained stack as one file: safetensors, matrices in eight bits, with its shape beside them."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spectrum.arguments import require_shape
from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack.config import StackConfig
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.stack import Stack
from spectrum.stack.weight_names import (
    LEXICON,
    LEXICON_BASIS,
    LEXICON_ROWS,
    LEXICON_TOLD,
    METADATA,
    PROBE_WEIGHTS,
    SCALES,
    TERMS,
    stack_hash,
)

SMALLEST = 2048
"""Tensors of fewer numbers stay float32: little is gained by storing them smaller."""


class TrainedStack(NamedTuple):
    """What a file holds."""

    stack: Stack
    texts: Float[Tensor, "R S"]
    """Unit vectors of reference texts, which hubness is measured against."""
    encoder: str
    """EncoderIdentity.fingerprint of the encoder that it refines."""
    weights_hash: str
    """BLAKE2b-128 of the file."""
    lexicon: Lexicon | None = None
    """What words look like, if that was learned."""
    told: Float[Tensor, "R C"] | None = None
    """The lexicon's coefficients of the reference texts; None without a lexicon."""
    terms: Float[Tensor, "V S"] | None = None
    """Unit vectors of words by themselves, which hubness is measured against for such queries."""

    def narrow_questions(self) -> Float[Tensor, "R _"]:
        """[t; c]: what the reference texts ask `narrowed` vectors with.

        The products are those of what they ask stored vectors F with, in half the work:
        ([t; 0] + c B) . F = [t; c] . [s; B F], c the lexicon's coefficients and B its basis.
        """
        return self.texts if self.told is None else torch.cat([self.texts, self.told], dim=1)

    def narrowed(self, vectors: Float[Tensor, "B D"]) -> Float[Tensor, "B _"]:
        """[s; B F] of stored vectors F."""
        semantic = vectors[:, : self.stack.config.semantic_width]
        if self.lexicon is None or self.told is None:
            return semantic
        return torch.cat([semantic, vectors @ torch.from_numpy(self.lexicon.basis).mT], dim=1)


def save_stack(
    path: Path,
    stack: Stack,
    texts: Float[Tensor, "R S"],
    encoder: str,
    lexicon: Lexicon | None = None,
    told: Float[Tensor, "R C"] | None = None,
    terms: Float[Tensor, "V S"] | None = None,
) -> None:
    """Writes a stack whole, or not at all. Raises OSError.

    `told` are the lexicon's coefficients of the texts, `terms` vectors of words by themselves.
    """
    tensors = {**stack.state_dict(), "texts": texts}
    said: dict[str, Any] = {"config": asdict(stack.config), "encoder": encoder}
    if lexicon is not None and told is not None:
        tensors[LEXICON_ROWS] = torch.from_numpy(lexicon.rows)
        tensors[LEXICON_BASIS] = torch.from_numpy(lexicon.basis)
        tensors[LEXICON_TOLD] = told
        said[LEXICON] = {"words": lexicon.words, "share": lexicon.share}
        if lexicon.probe is not None:
            tensors[PROBE_WEIGHTS] = torch.from_numpy(lexicon.probe.weights)
            said[LEXICON]["offset"] = lexicon.probe.offset
    if terms is not None:
        tensors[TERMS] = terms
    stored: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if value.ndim == 2 and value.numel() >= SMALLEST:
            stored[name], stored[name + SCALES] = eight_bits(value)
        else:
            stored[name] = value.contiguous()
    # One key, since the format stores keys in any order and equal weights are to be equal bytes.
    described = json.dumps(said, sort_keys=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(save(stored, {METADATA: described}))
    unfinished.replace(path)


def load_stack(path: Path) -> TrainedStack:
    """Reads a stack, in evaluation. ModelUnavailableError where it is absent or damaged."""
    try:
        hashed = stack_hash(path.read_bytes())
        with safe_open(path, framework="pt") as opened:
            said = json.loads((opened.metadata() or {})[METADATA])
            config = said["config"]
            stored = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        known = {field.name for field in fields(StackConfig)}
        stack = Stack(StackConfig(**{name: config[name] for name in config if name in known}))
        state = {
            name: value.float() * stored[name + SCALES] if name + SCALES in stored else value
            for name, value in stored.items()
            if not name.endswith(SCALES)
        }
        texts = state.pop("texts")
        require_shape(texts, "texts", (len(texts), stack.config.semantic_width))
        lexicon, told = None, None
        if LEXICON in said:
            rows, basis = state.pop(LEXICON_ROWS).numpy(), state.pop(LEXICON_BASIS).numpy()
            weights = state.pop(PROBE_WEIGHTS).numpy() if PROBE_WEIGHTS in state else None
            lexicon = Lexicon.of(said[LEXICON], rows, basis, weights)
            told = state.pop(LEXICON_TOLD)
        terms = state.pop(TERMS, None)
        stack.load_state_dict(state)
        encoder = said["encoder"]
    except OSError as error:
        raise ModelUnavailableError(
            f"{path}: {error.strerror}; train it with 'spectrum train', or name another file"
        ) from error
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise ModelUnavailableError(
            f"{path}: not a readable stack ({why}); train it again with 'spectrum train'"
        ) from error
    return TrainedStack(stack.eval(), texts, encoder, hashed, lexicon, told, terms)


def eight_bits(
    matrix: Float[Tensor, "R C"],
) -> tuple[Int8[Tensor, "R C"], Float[Tensor, "R 1"]]:
    """Whole numbers of steps in [-127, 127], and each row's step: its largest number / 127."""
    largest = matrix.abs().amax(dim=1, keepdim=True)
    scales = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return (matrix / scales).round().to(torch.int8), scales
