"""What each of the four stages trains, and what it leaves alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import nn
from torch.nn import Parameter

from satipatthana.arguments import require_choice
from satipatthana.system import SatipatthanaSystem

Stage = Literal["adapter", "samatha", "vipassana", "decoder"]
STAGES: tuple[Stage, ...] = ("adapter", "samatha", "vipassana", "decoder")
"""Stages 0 to 3 of the specification, in their order."""


def trained_modules(system: SatipatthanaSystem, stage: Stage) -> tuple[nn.Module, ...]:
    """The modules that a stage trains: table 8.1 of the specification.

    Stage 0 trains the adapter and its reconstruction head; stage 1 the adapter, Vitakka, Vicara,
    Sati (which has no parameters), Samatha's reconstruction head and AuxHead; stage 2 Vipassana;
    stage 3 the decoder.
    """
    require_choice("stage", stage, STAGES)
    samatha = system.samatha
    if stage == "adapter":
        return (samatha.adapter, system.adapter_recon_head)
    if stage == "samatha":
        heads = [system.samatha_recon_head, *([system.aux_head] if system.aux_head else [])]
        return (samatha.adapter, samatha.vitakka, samatha.vicara, samatha.sati, *heads)
    return (system.vipassana,) if stage == "vipassana" else (system.decoder,)


def trained_parameters(system: SatipatthanaSystem, stage: Stage) -> list[Parameter]:
    """The parameters of `trained_modules`."""
    return [
        parameter for module in trained_modules(system, stage) for parameter in module.parameters()
    ]


@contextmanager
def freeze(system: SatipatthanaSystem, stage: Stage) -> Iterator[list[Parameter]]:
    """Inside, only what the stage trains asks for gradients; gives those parameters.

    Everything else is in scoring mode. On the way out, also by an error or an interruption, every
    parameter asks for gradients as before, holds none, and the system is in scoring mode.
    """
    wanted = {parameter: parameter.requires_grad for parameter in system.parameters()}
    parameters = trained_parameters(system, stage)
    try:
        system.requires_grad_(False)
        for parameter in parameters:
            parameter.requires_grad_(True)
        teach(system, stage)
        yield parameters
    finally:
        for parameter, was_wanted in wanted.items():
            parameter.requires_grad_(was_wanted)
            parameter.grad = None
        system.eval()


def teach(system: SatipatthanaSystem, stage: Stage) -> None:
    """Puts what the stage trains into training mode, and everything else into scoring mode."""
    system.eval()
    if stage == "samatha":
        system.samatha.train()
    for module in trained_modules(system, stage):
        module.train()
