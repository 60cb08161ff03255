"""What a killed training goes on from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch


def keep(checkpoint: Path, said: Mapping[str, Any]) -> None:
    """Writes a checkpoint whole, or not at all. `said` names the `settings` it is of."""
    unfinished = checkpoint.with_name(checkpoint.name + ".tmp")
    torch.save(dict(said), unfinished)
    unfinished.replace(checkpoint)


def kept(checkpoint: Path, settings: str) -> dict[str, Any] | None:
    """The checkpoint, if there is one and it is of these settings."""
    if not checkpoint.exists():
        return None
    said: dict[str, Any] = torch.load(checkpoint, weights_only=True)
    return said if said["settings"] == settings else None
