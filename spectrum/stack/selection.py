"""SPECTRUM 6.2b: which modules a budget of time buys, of subsets that were measured."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack import MODULES

MEASURED = ("fast", "balanced")
"""Budgets with a name that measurements give a meaning; `best` is all modules, `none` none."""


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Some of the modules, what they cost, and how good the search is that they give."""

    modules: tuple[str, ...]
    """In the order of `MODULES`."""
    milliseconds: float
    """An image, both phases; >= 0."""
    accuracy: float
    """Mean reciprocal rank of the right image, asked for in words; in [0, 1]."""
    low: float
    """Lower end of the accuracy's 95 % interval."""
    high: float
    """Upper end."""
    shortfall_low: float
    """Lower end of the interval of what it lacks to the most accurate subset, query by query.
    Not above 0 where the two cannot be told apart."""


@dataclass(frozen=True, kw_only=True)
class ModuleCost:
    """What one module adds, in milliseconds an image."""

    first: float
    """While the grid is in memory."""
    second: float
    """Among the neighbours."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One stack, measured on one machine."""

    weights_hash: str
    """Of the stack's file."""
    machine: str
    """In words."""
    n_images: int
    n_queries: int
    """0 where only time was measured: there are no subsets then."""
    modules: dict[str, ModuleCost]
    subsets: tuple[Subset, ...]
    """Every subset, the empty one and the whole among them."""


def module_subsets(modules: Sequence[str] = MODULES) -> list[tuple[str, ...]]:
    """Every subset of the modules, 32 of five: fewer first, the whole last."""
    return [some for size in range(len(modules) + 1) for some in combinations(modules, size)]


def best_within(subsets: Sequence[Subset], budget_ms: float) -> Subset:
    r"""The most accurate subset that a budget of time allows.

    SPECTRUM 6.2b:  max_w Accuracy(w)   s.t.   Cost(w) <= r

        paper         here                 kind
        w             subsets              which modules take part; all are enumerated
        Accuracy(w)   .accuracy            measured on validation queries
        Cost(w)       .milliseconds        measured on this machine, an image
        r             budget_ms            the same unit

    Of equally accurate ones the cheaper, then the one of fewer modules. ValueError where nothing
    is within the budget.
    Departure: none.  Reference loop: tests/references/stack.py
    """
    affordable = [subset for subset in subsets if subset.milliseconds <= budget_ms]
    if not affordable:
        least = min((subset.milliseconds for subset in subsets), default=math.nan)
        raise ValueError(
            f"no modules refine an image in {budget_ms:g} ms: the least takes {least:.2g} ms"
        )
    return max(affordable, key=_merit)


def frontier(subsets: Sequence[Subset]) -> list[Subset]:
    """What no other subset beats in accuracy or cost without losing in the other; cheap first.

    Of subsets that are equal in both, all stay.
    """
    kept: list[Subset] = []
    for subset in sorted(subsets, key=lambda each: (each.milliseconds, -each.accuracy)):
        last = kept[-1] if kept else None
        same = last is not None and (last.milliseconds, last.accuracy) == (
            subset.milliseconds,
            subset.accuracy,
        )
        if last is None or same or subset.accuracy > last.accuracy:
            kept.append(subset)
    return kept


def balanced(subsets: Sequence[Subset]) -> Subset:
    """The cheapest subset that cannot be told from the most accurate one."""
    return min((each for each in subsets if each.shortfall_low <= 0), key=_price)


def fast(subsets: Sequence[Subset]) -> Subset:
    """The cheapest subset with half of what there is to gain over the encoder alone.

    Never dearer than `balanced`, which small samples may find below it.
    """
    alone = next(each for each in subsets if not each.modules)
    most = max(each.accuracy for each in subsets)
    least = alone.accuracy + (most - alone.accuracy) / 2
    enough = [each for each in subsets if each.accuracy >= least]
    return min([*enough, balanced(subsets)], key=_price)


def modules_within(budget: str, profile: Profile | None) -> tuple[str, ...]:
    """What `--budget` buys: its name, or milliseconds an image, as modules.

    Raises ModelUnavailableError where that has to be measured and was not, and where nothing is
    within the milliseconds.
    """
    if budget in ("none", "best"):
        return MODULES if budget == "best" else ()
    if profile is None or not profile.subsets:
        raise ModelUnavailableError(
            f"what '{budget}' buys is not measured for this stack: take '--budget best', or measure"
            " it with 'spectrum profile --captions CAPTIONS.jsonl --keep'"
        )
    if budget in MEASURED:
        return (fast if budget == "fast" else balanced)(profile.subsets).modules
    try:
        return best_within(profile.subsets, float(budget)).modules
    except ValueError as error:
        raise ModelUnavailableError(f"--budget {budget}: {error}") from error


def profile_beside(stack: Path) -> Path:
    """Where measurements come with a stack's file."""
    return stack.with_suffix(".profile.json")


def kept_profile(weights_hash: str) -> Path:
    """Where `spectrum profile --keep` puts what it measured here; it goes before the other."""
    from platformdirs import user_data_path

    return user_data_path("spectrum", appauthor=False) / "profiles" / f"{weights_hash}.json"


def known_profile(stack: Path, weights_hash: str) -> Profile | None:
    """What is known of a stack: measured here, or come with it; None if neither.

    A profile of other weights is none. Raises ModelUnavailableError for a damaged one.
    """
    for path in (kept_profile(weights_hash), profile_beside(stack)):
        if path.is_file():
            profile = read_profile(path)
            if profile.weights_hash == weights_hash:
                return profile
    return None


def profile_as_json(profile: Profile) -> dict[str, Any]:
    """As `read_profile` reads it."""
    return asdict(profile)


def write_profile(profile: Profile, path: Path) -> None:
    """Writes it whole, or not at all; makes the folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(json.dumps(profile_as_json(profile)) + "\n", encoding="ascii")
    unfinished.replace(path)


def read_profile(path: Path) -> Profile:
    """Reads what `write_profile` wrote. ModelUnavailableError where it is absent or damaged."""
    try:
        said = json.loads(path.read_bytes())
        said["modules"] = {name: ModuleCost(**cost) for name, cost in said["modules"].items()}
        said["subsets"] = tuple(
            Subset(**{**subset, "modules": tuple(subset["modules"])}) for subset in said["subsets"]
        )
        profile = Profile(**said)
        if profile.subsets and {each.modules for each in profile.subsets} != set(module_subsets()):
            raise ValueError("it has not every subset of the modules")
    except OSError as error:
        raise ModelUnavailableError(f"{path}: {error.strerror}; see 'spectrum profile'") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailableError(
            f"{path}: no profile of a stack ({error}); measure it again with 'spectrum profile'"
        ) from error
    return profile


def _merit(subset: Subset) -> tuple[float, float, int]:
    return subset.accuracy, -subset.milliseconds, -len(subset.modules)


def _price(subset: Subset) -> tuple[float, float, int]:
    """Cheap first; of the same price the more accurate one."""
    return subset.milliseconds, -subset.accuracy, len(subset.modules)
