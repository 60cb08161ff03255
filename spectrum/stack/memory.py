"""What was said of images like this one: a frozen memory of described images."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from spectrum.arguments import require_shape

RANK = 96
"""Width that keys and values are kept in: principal components."""


class Memory(nn.Module):
    r"""The mean description of remembered images, each for its likeness.

        m(v) = U' sum_r softmax_r( k_r . V'v / (|V'v| tau) ) u_r

    keys k and values u are what remembered images look like and how they were described, in
    `RANK` principal components (V, U); nothing is learned. Nadaraya-Watson regression: Theory of
    Probability and its Applications 9, 1964. A training image must not see itself (`own`): its
    own captions would be all that it learns to look for.
    """

    keys: Tensor
    values: Tensor
    key_basis: Tensor
    value_basis: Tensor

    def __init__(self, visual_width: int, semantic_width: int, remembered: int) -> None:
        super().__init__()
        shapes = {
            "keys": (remembered, min(RANK, visual_width)),
            "values": (remembered, min(RANK, semantic_width)),
            "key_basis": (visual_width, min(RANK, visual_width)),
            "value_basis": (semantic_width, min(RANK, semantic_width)),
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape))

    @torch.no_grad()
    def remember(
        self,
        visual: Float[Tensor, "R V"],
        descriptions: Float[Tensor, "R S"],
    ) -> None:
        """Takes what R images look like, and how they are described, in place of all before.

        ValueError unless R is what the memory was built for, which its file says too.
        """
        for given, name in ((visual, "visual"), (descriptions, "descriptions")):
            require_shape(given, name, (len(self.keys), given.shape[1]))
        self.key_basis = _basis(visual, self.key_basis.shape[1])
        self.value_basis = _basis(descriptions, self.value_basis.shape[1])
        self.keys = functional.normalize(visual @ self.key_basis, dim=-1)
        self.values = descriptions @ self.value_basis

    def forward(
        self,
        visual: Float[Tensor, "B V"],
        temperature: float,
        own: Int64[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B S"]:
        """Unit vectors; 0 where nothing is remembered. `own`: rows not to look at, -1 for none."""
        if not len(self.keys) or not visual.shape[1]:
            return visual.new_zeros(len(visual), len(self.value_basis))
        logits = functional.normalize(visual @ self.key_basis, dim=-1) @ self.keys.mT / temperature
        if own is not None:
            rows = torch.arange(len(own))[own >= 0]
            logits[rows, own[rows]] = -torch.inf
        told = logits.softmax(dim=-1) @ self.values
        made: Tensor = functional.normalize(told @ self.value_basis.mT, dim=-1)
        return made


def _basis(vectors: Float[Tensor, "R W"], rank: int) -> Float[Tensor, "W C"]:
    """The `rank` directions in which the vectors are longest, not centred: products stay."""
    moments = vectors.double().mT @ vectors.double()
    directions: Tensor = torch.linalg.eigh(moments).eigenvectors.flip(-1)
    return directions[:, :rank].to(vectors.dtype).contiguous()
