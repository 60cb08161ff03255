"""What the engines return."""

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from satipatthana.shapes import Float, Int

if TYPE_CHECKING:
    from collections.abc import Mapping


SCORES = ("trust", "conformity", "confidence")
"""What a sample is judged by; each is a field of the outputs, with `_score` behind it."""


class VipassanaOutput(NamedTuple):
    """The second engine's judgement of each sample."""

    v_ctx: Float[Tensor, "B C"]
    """Context for the decoder: h_dynamic and h_static side by side."""
    trust_score: Float[Tensor, "B 1"]
    """Whether the input is of a known kind, 0 to 1; from static metrics only."""
    conformity_score: Float[Tensor, "B 1"]
    """Whether the trajectory went as trajectories go, 0 to 1; from the GRU only."""
    confidence_score: Float[Tensor, "B 1"]
    """Both together, 0 to 1."""


class SantanaLog:
    """Santana (continuity): the states that a batch passed through, S_0 first.

    A sample that has stopped repeats its last state, so all trajectories are equally long in here;
    `convergence_steps` says how many moves of each are real.
    """

    def __init__(self, metadata: "Mapping[str, Any] | None" = None) -> None:
        """`metadata`: what Vitakka said of the start: winner_id, probs, z and the probe mixture."""
        self._states: list[Tensor] = []
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.convergence_steps: Int[Tensor, " B"] = torch.zeros(0, dtype=torch.long)
        self.max_steps: int = 0
        """T_max: most moves that were allowed."""

    def add(self, state: Float[Tensor, "B D"]) -> None:
        """Appends a state. ValueError where its shape is not that of the states before."""
        if self._states and state.shape != self._states[0].shape:
            raise ValueError(
                f"state: expected the shape {tuple(self._states[0].shape)},"
                f" got {tuple(state.shape)}"
            )
        if not self._states:
            self.convergence_steps = torch.zeros(len(state), dtype=torch.long, device=state.device)
        self._states.append(state)

    def to_tensor(self) -> Float[Tensor, "T B D"]:
        """The trajectory, steps first. ValueError where nothing was added."""
        if not self._states:
            raise ValueError("SantanaLog: expected one state or more, got none")
        return torch.stack(self._states)

    def __len__(self) -> int:
        """Recorded states, S_0 among them."""
        return len(self._states)

    def __getitem__(self, step: int) -> Float[Tensor, "B D"]:
        """The state of a step; -1 is the last. IndexError where there is none."""
        return self._states[step]


class SystemOutput(NamedTuple):
    """Everything that the system says of a batch; the last three only while training."""

    output: Tensor
    """The decoder's answer."""
    s_star: Float[Tensor, "B D"]
    """The state that the input settled into."""
    v_ctx: Float[Tensor, "B C"]
    trust_score: Float[Tensor, "B 1"]
    conformity_score: Float[Tensor, "B 1"]
    confidence_score: Float[Tensor, "B 1"]
    santana: SantanaLog
    severity: Float[Tensor, " B"]
    """How strongly the augmenter disturbed each sample, 0 to 1."""
    aux_output: Tensor | None = None
    """AuxHead's answer from S* alone."""
    recon_adapter: Tensor | None = None
    """The input, reconstructed from z."""
    recon_samatha: Tensor | None = None
    """The input, reconstructed from S*."""
