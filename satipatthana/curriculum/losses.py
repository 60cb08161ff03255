"""What each stage minimises: section 5.3 of the specification."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from satipatthana.arguments import require_choice
from satipatthana.configs.system import TASKS, Task
from satipatthana.outputs import VipassanaOutput
from satipatthana.shapes import Float, Shaped


class SamathaLoss(NamedTuple):
    """Stage 1's terms, each without its weight, and their weighted sum."""

    stability: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    guidance: Float[Tensor, ""]
    probes: Float[Tensor, ""]
    total: Float[Tensor, ""]


class VipassanaLoss(NamedTuple):
    """Stage 2's terms, one for each score, and their sum."""

    trust: Float[Tensor, ""]
    conformity: Float[Tensor, ""]
    confidence: Float[Tensor, ""]
    total: Float[Tensor, ""]


def adapter_loss(
    reconstruction: Float[Tensor, "B F"], target: Float[Tensor, "B F"]
) -> Float[Tensor, ""]:
    r"""How far the reconstruction is from the input: mean squared error.

    SATIPATTHANA 5.3a:  L_0 = L_recon(X, Xhat) = (1 / (B F)) sum_bf (Xhat_bf - X_bf)^2

        paper   here             shape
        Xhat    reconstruction   B F    (of the adapter's z)
        X       target           B F

    Departure: none; L_recon is not defined in the specification, read as the mean squared error.
    Reference loop: tests/references/satipatthana_curriculum.py
    """
    return (reconstruction - target).square().mean()


def task_loss(
    answer: Float[Tensor, "B Y"], wanted: Shaped[Tensor, "B ..."], task: Task
) -> Float[Tensor, ""]:
    """L_task: cross entropy for classes (`answer` holds logits), squared error for numbers.

    ValueError for the task "none", which has nothing to be right about.
    """
    require_choice("task", task, TASKS[:-1])
    if task == "classification":
        return functional.cross_entropy(answer, wanted.long())
    return (answer - wanted.reshape(answer.shape)).square().mean()


def samatha_loss(
    state_t: Float[Tensor, "B D"],
    state_tm1: Float[Tensor, "B D"],
    reconstruction: Float[Tensor, "B F"],
    target: Float[Tensor, "B F"],
    guidance: Float[Tensor, ""] | None = None,
    probe_distances: Float[Tensor, " B"] | None = None,
    *,
    stability_weight: float = 1.0,
    recon_weight: float = 0.2,
    guidance_weight: float = 0.3,
    probe_weight: float = 0.0,
) -> SamathaLoss:
    r"""Whether states come to rest, keep what they were made of, and serve the task.

    SATIPATTHANA 5.3b:  L_1 = ||S_T - S_{T-1}||^2 + lambda_r L_recon
                              + lambda_g L_task(y, AuxHead(S*))

        paper      here              shape
        S_T        state_t           B D    (S*)
        S_{T-1}    state_tm1         B D
        lambda_r   recon_weight      >= 0
        lambda_g   guidance_weight   >= 0
        L_task     guidance          number; None without labels

    Departure: the norm is averaged over the batch; `stability_weight` (the paper's: 1) and a term
    for the squared distance from z to its nearest probe (`probe_weight`, the paper's: 0) are ours.
    Reference loop: tests/references/satipatthana_curriculum.py
    """
    stability = (state_t - state_tm1).square().sum(dim=-1).mean()
    recon = (reconstruction - target).square().mean()
    guided = stability.new_zeros(()) if guidance is None else guidance
    probes = stability.new_zeros(()) if probe_distances is None else probe_distances.mean()
    total = (
        stability_weight * stability
        + recon_weight * recon
        + guidance_weight * guided
        + probe_weight * probes
    )
    return SamathaLoss(stability, recon, guided, probes, total)


def vipassana_loss(
    output: VipassanaOutput,
    targets: Float[Tensor, "B 1"],
    weights: Float[Tensor, "B 3"] | None = None,
) -> VipassanaLoss:
    r"""How far the three scores are from the one target: binary cross entropies, in nats.

    SATIPATTHANA 5.3c:  L_2 = BCE(trust, a) + BCE(conformity, a) + BCE(confidence, a)

        paper   here      shape
        a       targets   B 1    0 to 1
        -       weights   B 3    of each sample in each score's mean; None: all alike

    Departure: `weights`, so that a score need not learn from what it cannot see; all ones is the
    paper's form. A score whose weights are all 0 has the loss 0.
    Reference loop: tests/references/satipatthana_curriculum.py
    """
    scores = torch.cat([output.trust_score, output.conformity_score, output.confidence_score], 1)
    each = functional.binary_cross_entropy(scores, targets.expand_as(scores), reduction="none")
    weights = torch.ones_like(each) if weights is None else weights
    weight_sums = weights.sum(dim=0)
    divisors = torch.where(weight_sums > 0, weight_sums, torch.ones_like(weight_sums))
    terms = (weights * each).sum(dim=0) / divisors
    return VipassanaLoss(terms[0], terms[1], terms[2], terms.sum())


def decoder_loss(
    answer: Float[Tensor, "B Y"], wanted: Shaped[Tensor, "B ..."], task: Task
) -> Float[Tensor, ""]:
    r"""How wrong the decoder's answers are.

    SATIPATTHANA 5.3d:  L_3 = L_task(y, Decoder(S*, V_ctx))

        paper     here     shape
        Decoder   answer   B Y    (logits for classes)
        y         wanted   B classes; B Y numbers; B F the input itself for reconstruction

    ValueError for the task "none".
    Departure: none; L_task is read as cross entropy for classes, mean squared error otherwise.
    Reference loop: tests/references/satipatthana_curriculum.py
    """
    return task_loss(answer, wanted, task)
