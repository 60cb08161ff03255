"""The dynamic branch: what a recurrent network makes of the way to the state."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from satipatthana.configs.vipassana import StepFeature
from satipatthana.shapes import Bool, Float, Int
from satipatthana.vipassana.metrics import lengths


class TrajectoryEncoder(nn.Module):
    """A GRU over each sample's real steps; its last state is h_dynamic.

    Packed, so that what a sample repeats after it has settled, or anything else in its place,
    changes nothing. The features of a step are standardised with what `fit` saw of known samples.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, latent_dim: int, hidden_dim: int, step_features: Sequence[StepFeature]):
        super().__init__()
        self.step_features = tuple(step_features)
        widths = {"state": latent_dim, "residual": latent_dim, "energy": 1, "reconstruction": 1}
        feature_dim = sum(widths[name] for name in self.step_features)
        self.gru = nn.GRU(feature_dim, hidden_dim)
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("scale", torch.ones(feature_dim))

    def features(
        self,
        s_star: Float[Tensor, "B D"],
        trajectory: Float[Tensor, "T B D"],
        step_errors: Float[Tensor, "T B"] | None = None,
    ) -> Float[Tensor, "T B J"]:
        """What is read of each step, before it is standardised; missing errors count as 0."""
        moves = lengths(trajectory.diff(dim=0))
        errors = torch.zeros_like(trajectory[..., 0]) if step_errors is None else step_errors
        blocks = {
            "state": trajectory,
            "residual": trajectory - s_star,
            "energy": torch.cat([torch.zeros_like(trajectory[:1, :, 0]), moves])[..., None],
            "reconstruction": errors.log1p()[..., None],
        }
        return torch.cat([blocks[name] for name in self.step_features], dim=-1)

    @torch.no_grad()
    def fit(
        self,
        s_star: Float[Tensor, "B D"],
        trajectory: Float[Tensor, "T B D"],
        steps: Int[Tensor, " B"],
        step_errors: Float[Tensor, "T B"] | None = None,
    ) -> None:
        """Learns each feature's mean and deviation from the real steps of known samples."""
        real = self.features(s_star, trajectory, step_errors)[real_mask(trajectory, steps)]
        deviation = real.std(dim=0, unbiased=False)
        self.mean.copy_(real.mean(dim=0))
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(
        self,
        s_star: Float[Tensor, "B D"],
        trajectory: Float[Tensor, "T B D"],
        steps: Int[Tensor, " B"],
        step_errors: Float[Tensor, "T B"] | None = None,
    ) -> Float[Tensor, "B H"]:
        features = self.features(s_star, trajectory, step_errors)
        features = features.sub_(self.mean).div_(self.scale)
        # The lengths of a packed sequence have to be on the CPU, wherever the features are.
        lengths = (steps + 1).cpu()
        packed = pack_padded_sequence(features, lengths, enforce_sorted=False)
        h_dynamic: Tensor = self.gru(packed)[1][0]
        return h_dynamic


def real_mask(trajectory: Float[Tensor, "T B D"], steps: Int[Tensor, " B"]) -> Bool[Tensor, "T B"]:
    """True where a state was really reached: S_0 and one for each step."""
    return torch.arange(len(trajectory), device=trajectory.device)[:, None] <= steps
