"""Ways to rank, by name: how query parts become one vector, and what vectors are compared.

Each is one file, whose class has `fitted(reference)` and the rest of `protocol.Ranking`. Nothing is
imported before it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.ranking.protocol import Ranking, Reference

RANKINGS: dict[str, tuple[str, ...]] = {
    "raw": ("raw:Raw",),
    "centred": ("centring:Centring",),
    "whitened": ("centring:Whitening",),
    "hubness": ("hubness:Hubness",),
    "alpha-qe": ("query_expansion:QueryExpansion",),
    "alpha-dba": ("database_augmentation:DatabaseAugmentation",),
    "alpha-qe+dba": (
        "database_augmentation:DatabaseAugmentation",
        "query_expansion:QueryExpansion",
    ),
    "hubness+dba": ("database_augmentation:DatabaseAugmentation", "hubness:Hubness"),
    "superglobal": ("superglobal:SuperGlobal",),
    "spectrum": ("refined:Refined",),
}
"""Name -> what it does, in order: `module:class` of this package."""


def fitted_ranking(name: str, reference: "Reference") -> "Ranking":
    """The way to rank of that name, fitted to a reference. Raises ValueError for a name unknown."""
    if name not in RANKINGS:
        raise ValueError(f"no way to rank is called '{name}': choose one of {', '.join(RANKINGS)}")
    links = []
    for place in RANKINGS[name]:
        module, _, class_name = place.partition(":")
        method: Any = getattr(import_module(f"{__name__}.{module}"), class_name)
        links.append(method.fitted(reference))
    if len(links) == 1:
        only: Ranking = links[0]
        return only
    from retrieval.ranking.chain import Chain

    return Chain(tuple(links))
