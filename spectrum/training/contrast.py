"""The contrastive loss of photographs that have several captions each."""

import torch
from jaxtyping import Float
from torch import Tensor


def caption_contrast(
    image_unit: Float[Tensor, "B D"], text_unit: Float[Tensor, "B K D"], scale: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    r"""How badly photographs and their captions find each other among a batch.

    Multi-positive InfoNCE, every photograph b having K captions, l_bck = scale * s_b . t_ck:

        image to text   I = -1/B  sum_b   log( sum_k e^{l_bbk} / sum_{c,k} e^{l_bck} )
        text to image   T = -1/BK sum_b,k log( e^{l_bbk} / sum_c e^{l_cbk} )
        L = (I + T) / 2

        paper   here         shape
        s       image_unit   B D     unit length
        t       text_unit    B K D   unit length
        scale   scale        > 0     inverse temperature

    Oord et al., arXiv:1807.03748, eq. 4, with the positives summed inside the logarithm (Miech et
    al., CVPR 2020, eq. 1): a photograph need not be close to all its captions, only to some.
    Reference loop: tests/references/contrast.py
    """
    batch, captions, _ = text_unit.shape
    logits = scale * (text_unit.flatten(0, 1) @ image_unit.T)  # BK B
    owners = torch.arange(batch).repeat_interleave(captions)
    own = logits.gather(1, owners[:, None]).reshape(batch, captions)
    to_text = logits.logsumexp(dim=0) - own.logsumexp(dim=1)
    to_image = logits.logsumexp(dim=1) - own.flatten()
    return (to_text.mean() + to_image.mean()) / 2
