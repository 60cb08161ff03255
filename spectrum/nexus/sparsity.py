"""NEXUS 3.2: which entries of an attention map are kept."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from spectrum.arguments import require_positive, require_shape


def over_largest(attention: Float[Tensor, "B *N W"]) -> Float[Tensor, "B *N W"]:
    """Each entry over the largest of its row: in [0, 1], whatever the number of places."""
    largest = attention.amax(dim=-1, keepdim=True)
    return attention / largest.clamp(min=torch.finfo(attention.dtype).tiny)


def sparse_mask(
    attention: Float[Tensor, "B *N W"],
    threshold: Float[Tensor, " B"],
    *,
    relative: bool = True,
    keep_largest: bool = True,
    softness: float = 0.1,
) -> Float[Tensor, "B *N W"]:
    r"""Which entries are kept: 1, or 0. Its gradient is that of a sigmoid (straight through).

    NEXUS 3.2a:  M = 1[ A > tau ]

        paper   here        shape
        A       attention   B *N W    each row over the W places that it looks at
        tau     threshold   B         in (0, 1)
        M       returned    B *N W    0 or 1

    `softness` is the sigmoid's, in units of what is compared. ValueError where there is not one
    threshold an image, or a softness that is not above 0.
    Departure: entries are about 1/N and sigmoid gives a tau about 1/2, so A over its row's largest
    is compared, and that largest is kept at any tau. relative=False and keep_largest=False are
    the paper's form, and are tested.  Reference loop: tests/references/nexus.py
    """
    require_shape(threshold, "threshold", (len(attention),))
    require_positive(softness, "softness")
    compared = over_largest(attention) if relative else attention
    room = compared - threshold.reshape(-1, *[1] * (attention.ndim - 1))
    kept = room > 0
    if keep_largest:
        kept = kept | (attention == attention.amax(dim=-1, keepdim=True))
    mask = kept.to(attention.dtype)
    if not room.requires_grad:
        return mask
    soft = (room / softness).sigmoid()
    return mask + (soft - soft.detach())


def sparsity_threshold(
    attention: Float[Tensor, "B *N W"], network: Callable[[Tensor], Tensor]
) -> Float[Tensor, " B"]:
    r"""Below what share of its row's largest an entry is dropped, for each image.

    NEXUS 3.2b:  tau = sigmoid( f_tau(g_pool(A)) )

        paper    here        shape
        A        attention   B *N W
        g_pool               the mean over all rows of A over its row's largest: a profile of W
        f_tau    network     B W -> B 1
        tau      returned    B    in [0, 1]

    ValueError where the network does not make one number an image.
    Departure: none. A mean over all entries would be 1/W whatever A is, since rows sum to 1: read
    as a mean over rows.  Reference loop: tests/references/nexus.py
    """
    profile = over_largest(attention).flatten(1, -2).mean(dim=1)
    said = network(profile)
    require_shape(said, "network(g_pool(A))", (len(attention), 1))
    return said.squeeze(-1).sigmoid()


def sparse_attention(
    attention: Float[Tensor, "B *N W"], mask: Float[Tensor, "B *N W"], *, renormalise: bool = False
) -> Float[Tensor, "B *N W"]:
    r"""Attention where the mask keeps it, 0 elsewhere.

    NEXUS 3.2c:  A_sparse = A (.) M

        paper      here        shape
        A          attention   B *N W
        M          mask        B *N W    by `sparse_mask`
        A_sparse   returned    B *N W

    `renormalise` makes rows sum to 1 again; a row of which nothing is kept stays 0.
    ValueError where the two shapes differ.
    Departure: none; renormalise=False, the default here, is the paper's form.
    Reference loop: tests/references/nexus.py
    """
    require_shape(mask, "mask", tuple(attention.shape))
    kept = attention * mask
    if not renormalise:
        return kept
    total = kept.sum(dim=-1, keepdim=True)
    return kept / torch.where(total > 0, total, torch.ones_like(total))
