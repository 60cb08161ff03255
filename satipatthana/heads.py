"""Heads that only training uses: reconstruction of the input, and guidance by labels."""

from collections.abc import Sequence

from torch import Tensor, nn

from satipatthana.arguments import require_at_least
from satipatthana.shapes import Float


def perceptron(input_dim: int, hidden_dims: Sequence[int], output_dim: int) -> nn.Sequential:
    """Linear layers with GELU between them; no hidden layer makes it linear."""
    widths = [input_dim, *hidden_dims, output_dim]
    for width in widths:
        require_at_least("width", width, 1)
    layers: list[nn.Module] = []
    for before, after in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(before, after), nn.GELU()]
    return nn.Sequential(*layers[:-1])


class ReconstructionHead(nn.Module):
    """The flattened input, guessed from a state."""

    def __init__(self, latent_dim: int, target_dim: int, hidden_dims: Sequence[int] = ()) -> None:
        super().__init__()
        self.layers = perceptron(latent_dim, hidden_dims, target_dim)

    def forward(self, states: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch F"]:
        """One guess per state; takes whole trajectories (T B D) too."""
        guesses: Tensor = self.layers(states)
        return guesses


class AuxHead(nn.Module):
    """The task's raw answer from S* alone: guides stage 1, dropped at stage 3."""

    def __init__(self, latent_dim: int, output_dim: int, hidden_dims: Sequence[int] = ()) -> None:
        super().__init__()
        self.layers = perceptron(latent_dim, hidden_dims, output_dim)

    def forward(self, s_star: Float[Tensor, "B D"]) -> Float[Tensor, "B Y"]:
        """Logits for classification, numbers for regression."""
        answers: Tensor = self.layers(s_star)
        return answers
