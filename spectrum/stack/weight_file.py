"""A trained stack as one file: safetensors, matrices in eight bits, with its shape beside them."""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spectrum.arguments import require_shape
from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack.config import StackConfig
from spectrum.stack.loading import METADATA
from spectrum.stack.stack import Stack

SMALLEST = 2048
"""Tensors of fewer numbers stay float32: little is gained by storing them smaller."""
SCALES = ".scales"


class TrainedStack(NamedTuple):
    """What a file holds."""

    stack: Stack
    texts: Float[Tensor, "R S"]
    """Unit vectors of reference texts, which hubness is measured against."""
    encoder: str
    """EncoderIdentity.fingerprint of the encoder that it refines."""
    weights_hash: str
    """BLAKE2b-128 of the file."""


def save_stack(path: Path, stack: Stack, texts: Float[Tensor, "R S"], encoder: str) -> None:
    """Writes a stack whole, or not at all. Raises OSError."""
    stored: dict[str, Tensor] = {}
    for name, value in [*stack.state_dict().items(), ("texts", texts)]:
        if value.ndim == 2 and value.numel() >= SMALLEST:
            stored[name], stored[name + SCALES] = eight_bits(value)
        else:
            stored[name] = value.contiguous()
    # One key, since the format stores keys in any order and equal weights are to be equal bytes.
    said = json.dumps({"config": asdict(stack.config), "encoder": encoder}, sort_keys=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_bytes(save(stored, {METADATA: said}))
    unfinished.replace(path)


def load_stack(path: Path) -> TrainedStack:
    """Reads a stack, in evaluation. ModelUnavailableError where it is absent or damaged."""
    try:
        hashed = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
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
    return TrainedStack(stack.eval(), texts, encoder, hashed)


def eight_bits(
    matrix: Float[Tensor, "R C"],
) -> tuple[Int8[Tensor, "R C"], Float[Tensor, "R 1"]]:
    """Whole numbers of steps in [-127, 127], and each row's step: its largest number / 127."""
    largest = matrix.abs().amax(dim=1, keepdim=True)
    scales = torch.where(largest > 0, largest / 127, torch.ones_like(largest))
    return (matrix / scales).round().to(torch.int8), scales
