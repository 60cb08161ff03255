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

    The head is linear at its end, W h(S) + b. With c = x - b, F wide, h the hidden units of S*, D_t
    those of S_t less h, and G = W'W,

        || W h + b - x ||^2       =  h' (G h - 2 W'c)  +  || c ||^2
        || W h(S_t) + b - x ||^2  =  D_t' G D_t  +  2 D_t' (G h - W'c)  +  || W h + b - x ||^2,

    which goes through the whole width once a sample, for W'c, and not once a state, and loses no
    digits as D_t vanishes. States after the last of a sample's `steps` moves have the error 0.
    Evidence, and no way for gradients.
    """
    body, last = head.layers[:-1], head.layers[-1]
    assert isinstance(last, nn.Linear)
    gram = last.weight.T @ last.weight
    missing = target - last.bias
    wanted = missing @ last.weight
    hidden_star: Tensor = body(s_star)
    made = hidden_star @ gram
    squared = (hidden_star * (made - 2.0 * wanted)).sum(dim=1) + missing.square().sum(dim=1)
    recon_error = squared.clamp_min(0.0) / target.shape[1]
    # In place: these tables are the largest of a scoring, and new memory costs more than numbers.
    difference = body(trajectory) - hidden_star
    beyond = (difference @ gram).add_(2.0 * (made - wanted)).mul_(difference)
    errors = (beyond.sum(dim=-1) / target.shape[1] + recon_error).clamp_min(0.0)
    real_mask = torch.arange(len(trajectory), device=steps.device)[:, None] <= steps
    return recon_error[:, None], torch.where(real_mask, errors, torch.zeros_like(errors))
