"""How well the input comes back from the states that it passed through."""

import torch
from torch import Tensor, nn

from satipatthana.heads import ReconstructionHead
from satipatthana.shapes import Float, Int


@torch.no_grad()
def reconstruction_errors(
    head: ReconstructionHead,
    s_star: Float[Tensor, "B D"],
    trajectory: Float[Tensor, "T B D"],
    steps: Int[Tensor, " B"],
    target: Float[Tensor, "B F"],
) -> tuple[Float[Tensor, "B 1"], Float[Tensor, "T B"]]:
    r"""Mean squared errors of what `head` makes of S*, and of each state that was really reached.

    The head is linear at its end, W h(S) + b. With r the residual at S*, F wide, and D_t the hidden
    units of S_t less those of S*,

        || W h(S_t) + b - x ||^2  =  D_t' (W'W) D_t  +  2 D_t' (W'r)  +  || r ||^2,

    which asks for the whole width once a sample, not once a state, and loses no digits, since D_t
    vanishes as the state settles. States after the last of a sample's `steps` moves have the error
    0. Evidence, and no way for gradients.
    """
    body, last = head.layers[:-1], head.layers[-1]
    assert isinstance(last, nn.Linear)
    hidden_star: Tensor = body(s_star)
    residual: Tensor = last(hidden_star) - target
    recon_error = residual.square().mean(dim=1)
    difference = body(trajectory) - hidden_star
    own = ((difference @ (last.weight.T @ last.weight)) * difference).sum(dim=-1)
    shared = (difference * (residual @ last.weight)).sum(dim=-1)
    errors = ((own + 2.0 * shared) / target.shape[1] + recon_error).clamp_min(0.0)
    real_mask = torch.arange(len(trajectory), device=steps.device)[:, None] <= steps
    return recon_error[:, None], torch.where(real_mask, errors, torch.zeros_like(errors))
