"""SPECTRUM 6.3: what the stack is trained towards, stage by stage."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from spectrum.arguments import require_not_negative, require_same_shape


def weighted_losses(
    losses: Mapping[str, Float[Tensor, ""]], weights: Mapping[str, float]
) -> Float[Tensor, ""]:
    r"""The modules' losses as one.

    SPECTRUM 6.3a:  min_w sum_i lambda_i L_i(w)

        paper      here      kind
        L_i        losses    module -> loss
        lambda_i   weights   module -> number, >= 0

    ValueError where a loss has no weight, or there is no loss.
    Departure: none.  Reference loop: tests/references/stack.py
    """
    if not losses:
        raise ValueError("losses is empty: give at least one module's loss")
    missing = sorted(set(losses) - set(weights))
    if missing:
        raise ValueError(f"weights has none for {', '.join(missing)}: give one weight a loss")
    for name in losses:
        require_not_negative(weights[name], f"the weight of {name}")
    return torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()


def module_loss(
    made_unit: Float[Tensor, "B S"],
    captions_unit: Float[Tensor, "B K S"],
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    r"""How badly one module's vectors alone find their captions, and captions their vectors.

    SPECTRUM 6.3b:  min_{w_i} L_i(w_i),   each module by itself

    with L_i the mean of two cross entropies over the batch, s = made . caption / temperature:

        caption to image   - log softmax over images of s      (B K rows)
        image to caption   - mean over its own K of log softmax over all captions of s   (B rows)

        paper   here          shape
        w_i     made_unit     B S      the module's vectors
                captions_unit B K S    K captions of each image
                temperature   > 0

    ValueError where there are not as many images as caption groups.
    Departure: none; the paper leaves L_i open. Reference loop: tests/references/stack.py
    """
    batch, per_image, _ = captions_unit.shape
    if len(made_unit) != batch:
        raise ValueError(
            f"made_unit has {len(made_unit)} rows and captions_unit {batch}: give each image its"
            " captions"
        )
    similarities = made_unit @ captions_unit.flatten(0, 1).mT / temperature
    owner = torch.arange(batch, device=made_unit.device).repeat_interleave(per_image)
    to_image = functional.cross_entropy(similarities.mT, owner)
    among_captions = similarities.log_softmax(dim=1)
    own = among_captions.reshape(batch, batch, per_image).diagonal(dim1=0, dim2=1)
    return (to_image - own.mean()) / 2


def coupling_loss(first: Float[Tensor, "B S"], second: Float[Tensor, "B S"]) -> Float[Tensor, ""]:
    r"""How far two modules are apart about the same images.

    SPECTRUM 6.3c:  min_w sum_{i,j} L_ij(w),   L_ij = mean_b ( 1 - cos(F_i,b, F_j,b) )

        paper   here            shape
        F_i     first           B S
        F_j     second          B S
        L_ij    returned        in [0, 2]

    ValueError for two shapes.
    Departure: none; the paper leaves L_ij open: agreement of the modules' outputs.
    Reference loop: tests/references/stack.py
    """
    require_same_shape(first, "first", second, "second")
    return 1 - functional.cosine_similarity(first, second, dim=-1).mean()


def coupled(readings: Sequence[Float[Tensor, "B S"]]) -> Float[Tensor, ""]:
    """The sum of 6.3c over pairs i < j, over their number; 0 for fewer than two modules."""
    pairs = [
        coupling_loss(first, second)
        for place, first in enumerate(readings)
        for second in readings[place + 1 :]
    ]
    if not pairs:
        return torch.zeros(())
    return torch.stack(pairs).mean()


def fine_tuning_loss(
    task: Float[Tensor, ""], regulariser: Float[Tensor, ""], weight: float
) -> Float[Tensor, ""]:
    r"""The task's loss and what keeps the weights tame.

    SPECTRUM 6.3d:  min_w L_task(w) + lambda_reg L_reg(w)

        paper        here          kind
        L_task       task          a number
        L_reg        regulariser   a number; `HarmonyLoss` 5.3b in the shipped training
        lambda_reg   weight        >= 0

    Departure: none.  Reference loop: tests/references/stack.py
    """
    require_not_negative(weight, "weight")
    return task + weight * regulariser


def multitask_loss(
    tasks: Mapping[str, Float[Tensor, ""]],
    importances: Mapping[str, float],
    sharing: Float[Tensor, ""],
    strength: float,
) -> Float[Tensor, ""]:
    r"""The losses of all tasks, and what makes tasks share.

    SPECTRUM 6.3e:  L_MTL = sum_t alpha_t L_t + beta Omega(w)

        paper      here          kind
        L_t        tasks         task -> loss
        alpha_t    importances   task -> number, >= 0
        Omega(w)   sharing       a number; `gate_sharing` in the shipped training
        beta       strength      >= 0

    ValueError as of `weighted_losses`, of which this is the sum over tasks.
    Departure: none.  Reference loop: tests/references/stack.py
    """
    require_not_negative(strength, "strength")
    return weighted_losses(tasks, importances) + strength * sharing


def gate_sharing(task_logits: Float[Tensor, "T B L"]) -> Float[Tensor, ""]:
    """Omega of 6.3e: the variance, over tasks, of what the gates say; 0 for a single task."""
    return task_logits.var(dim=0, correction=0).mean()
