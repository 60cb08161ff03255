"""SATIPATTHANA 5.2: the context vector, the three scores, and what the scores are taught."""

from collections.abc import Callable

import torch
from torch import Tensor

from satipatthana.arguments import require_choice
from satipatthana.configs.curriculum import PATHS, Path
from satipatthana.shapes import Float

Head = Callable[[Tensor], Tensor]
"""(B H) -> logits (B 1)."""


def context_vector(
    h_dynamic: Float[Tensor, "B H"], h_static: Float[Tensor, "B G"]
) -> Float[Tensor, "B C"]:
    r"""What the decoder is told of the way to the state.

    SATIPATTHANA 5.2a:  V_ctx = [h_dynamic, h_static]

        paper       here        shape
        h_dynamic   h_dynamic   B H
        h_static    h_static    B G
        V_ctx       (result)    B C, C = H + G

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return torch.cat([h_dynamic, h_static], dim=1)


def trust(h_static: Float[Tensor, "B G"], trust_head: Head) -> Float[Tensor, "B 1"]:
    r"""Whether the input is of a known kind, 0 to 1; the GRU has no part in it.

    SATIPATTHANA 5.2b:  trust = sigmoid(TrustHead(h_static))

        paper       here         shape
        h_static    h_static     B G
        TrustHead   trust_head   B G -> B 1

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return trust_head(h_static).sigmoid()


def conformity(h_dynamic: Float[Tensor, "B H"], conformity_head: Head) -> Float[Tensor, "B 1"]:
    r"""Whether the trajectory went as trajectories go, 0 to 1; the metrics have no part in it.

    SATIPATTHANA 5.2c:  conformity = sigmoid(ConformityHead(h_dynamic))

        paper            here              shape
        h_dynamic        h_dynamic         B H
        ConformityHead   conformity_head   B H -> B 1

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return conformity_head(h_dynamic).sigmoid()


def confidence(
    h_static: Float[Tensor, "B G"], h_dynamic: Float[Tensor, "B H"], confidence_head: Head
) -> Float[Tensor, "B 1"]:
    r"""Both together, 0 to 1.

    SATIPATTHANA 5.2d:  confidence = sigmoid(ConfidenceHead([h_static, h_dynamic]))

        paper            here              shape
        h_static         h_static          B G
        h_dynamic        h_dynamic         B H
        ConfidenceHead   confidence_head   B (G + H) -> B 1

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return confidence_head(torch.cat([h_static, h_dynamic], dim=1)).sigmoid()


def score_targets(path: Path, severity: Float[Tensor, " B"]) -> Float[Tensor, "B 1"]:
    r"""What all three scores should say of the samples of a path, shaped as the scores are.

    SATIPATTHANA 5.2e:  clean 1;  augmented 1 - severity;  drunk, mismatch and void 0

        paper      here       shape
        severity   severity   B       0 to 1; read on the augmented path only

    ValueError for an unknown path.
    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    require_choice("path", path, PATHS)
    if path == "clean":
        return torch.ones_like(severity)[:, None]
    if path == "augmented":
        return 1.0 - severity[:, None]
    return torch.zeros_like(severity)[:, None]
