"""The loss of a training's last stage: the integrated vector among its neighbours."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from spectrum.harmony.balance import attention_disagreement, in_batch_attention
from spectrum.stack.neighbourhoods import gathered, member_mask
from spectrum.stack.objectives import (
    fine_tuning_loss,
    gate_sharing,
    module_loss,
    multitask_loss,
)
from spectrum.stack.reading import Bank
from spectrum.stack.settings import StackTraining
from spectrum.stack.stack import Readings, Stack


class Shown(NamedTuple):
    """A batch of images, and what people say of each."""

    features: Float[Tensor, "B D"]
    readings: Readings
    captions: Float[Tensor, "B C S"]
    described: Float[Tensor, "B S"]
    """The direction of the captions' mean."""


def task_loss(
    stack: Stack,
    shown: Shown,
    bank: Bank,
    temperature: Float[Tensor, ""],
    training: StackTraining,
) -> Float[Tensor, ""]:
    """6.3d and 6.3e of images whose neighbours are `bank.found`."""
    width = stack.config.semantic_width
    local = stack.local(shown.features, shown.readings)
    refined = stack.refined(
        gathered(local, bank.local, bank.found),
        gathered(shown.readings.prompts, bank.prompts, bank.found),
        member_mask(bank.found),
    )
    tasks = {"text": module_loss(refined[:, :width], shown.captions, temperature)}
    told = in_batch_attention(shown.described, 0.1)
    if refined.shape[1] > width:
        seen = in_batch_attention(refined[:, width:], 0.1)
        tasks["image"] = functional.kl_div((seen + 1e-9).log(), told, reduction="batchmean")
    else:
        seen = in_batch_attention(refined[:, :width], 0.1)
    importances = {"text": 1.0, "image": training.image_task}
    sharing = gate_sharing(stack.gates(shown.features))
    task = multitask_loss(tasks, importances, sharing, training.sharing)
    disagreement = attention_disagreement(seen, told) / len(shown.features)
    return fine_tuning_loss(task, disagreement, training.regularisation)
