"""A trained system in one file: what it is, then what it has learned."""

import dataclasses
import enum
import io
import os
import pickle
import typing
from pathlib import Path
from typing import Any

import torch

from satipatthana import configs
from satipatthana.configs import SystemConfig
from satipatthana.system import SatipatthanaSystem

FORMAT = "satipatthana"
VERSION = 1


def save(system: SatipatthanaSystem, path: str | Path) -> None:
    """Writes the system's configuration and state to `path`, whole or not at all."""
    path = Path(path)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "config": plain(system.config),
        "output_dim": system.output_dim,
        "state": system.state_dict(),
    }
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        torch.save(content, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: str | Path, device: torch.device | str = "cpu") -> SatipatthanaSystem:
    """The system that was saved, in scoring mode.

    FileNotFoundError where nothing is; ValueError where it is no checkpoint of this version.
    """
    content = read(path, device)
    config = rebuilt(content["config"], path)
    try:
        system = SatipatthanaSystem(config, content["output_dim"]).to(device)
    except ValueError as error:
        raise ValueError(f"{path}: its configuration is not valid, {error}") from error
    fill(system, content["state"], path)
    return system.eval()


def load_into(system: SatipatthanaSystem, path: str | Path) -> None:
    """Puts what was saved into a system of the same configuration.

    FileNotFoundError as for `load`; ValueError also where the configuration differs, naming the
    first field that does. A system that could not be filled is left as it was.
    """
    content = read(path, system.device)
    wanted = {**plain(system.config), "output_dim": system.output_dim}
    found = {**content["config"], "output_dim": content["output_dim"]}
    difference = first_difference(wanted, found, "config")
    if difference is not None:
        name, expected, got = difference
        raise ValueError(f"{path}: {name}: expected {expected!r}, got {got!r}")
    fill(system, content["state"], path)


def read(path: str | Path, device: torch.device | str) -> dict[str, Any]:
    """What the file holds. ValueError, in one line, where that is no checkpoint."""
    refused = f"{path}: expected a checkpoint of satipatthana, version {VERSION}"
    written = io.BytesIO(Path(path).read_bytes())
    try:
        content = torch.load(written, map_location=device, weights_only=True)
    # Of a file cut short torch says any of these, according to where.
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{refused}, got a file that cannot be read ({type(error).__name__});"
            " it may be cut short: save it again"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{refused}, got another file")
    if content.get("version") != VERSION:
        raise ValueError(f"{refused}, got version {content.get('version')}")
    return content


def fill(system: SatipatthanaSystem, state: dict[str, Any], path: str | Path) -> None:
    """Loads the state; AuxHead, which stage 3 throws away, is there as it was when saved."""
    has_aux_head = any(name.startswith("aux_head.") for name in state)
    if has_aux_head and system.aux_head is None:
        system.aux_head = SatipatthanaSystem(system.config, system.output_dim).aux_head
    mine = {name: value.shape for name, value in system.state_dict().items()}
    if not has_aux_head:
        mine = {name: shape for name, shape in mine.items() if not name.startswith("aux_head.")}
    for name in sorted(mine.keys() | state.keys()):
        found = state[name].shape if name in state else None
        if found != mine.get(name):
            raise ValueError(
                f"{path}: {name}: expected {shape_in_words(mine.get(name))},"
                f" got {shape_in_words(found)}"
            )
    if not has_aux_head:
        system.aux_head = None
    system.load_state_dict(state)


def shape_in_words(shape: torch.Size | None) -> str:
    """As an error says it."""
    return "nothing" if shape is None else f"the shape {tuple(shape)}"


def plain(config: Any) -> Any:
    """Dataclasses as dicts that name their class, enumerations as their values."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {
            field.name: plain(getattr(config, field.name)) for field in dataclasses.fields(config)
        }
        return {"class": type(config).__name__, **fields}
    return config.value if isinstance(config, enum.Enum) else config


def rebuilt(content: Any, path: str | Path) -> SystemConfig:
    """The configuration that `plain` wrote. ValueError where a class or field is unknown."""
    try:
        config = made(content)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its configuration cannot be read, {error}") from error
    if not isinstance(config, SystemConfig):
        raise ValueError(f"{path}: expected a SystemConfig, got {type(config).__name__}")
    return config


def made(content: Any) -> Any:
    """The dataclass of a dict that names one; anything else as it is."""
    if not isinstance(content, dict):
        return content
    known = {name: getattr(configs, name) for name in configs.__all__}
    cls = known[content["class"]]
    types = typing.get_type_hints(cls)
    fields = {name: made(value) for name, value in content.items() if name != "class"}
    for name, value in fields.items():
        kind = types.get(name)
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            fields[name] = kind(value)
    return cls(**fields)


def first_difference(wanted: Any, found: Any, name: str) -> tuple[str, object, object] | None:
    """Name and both values of the first field in which two plain configurations differ."""
    if not (isinstance(wanted, dict) and isinstance(found, dict)):
        return None if wanted == found else (name, wanted, found)
    for key in [*wanted, *(key for key in found if key not in wanted)]:
        if key not in found or key not in wanted:
            return f"{name}.{key}", wanted.get(key), found.get(key)
        difference = first_difference(wanted[key], found[key], f"{name}.{key}")
        if difference is not None:
            return difference
    return None
