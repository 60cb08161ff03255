"""A plain autoencoder, as wide as the framework's adapter and head: its error is the control."""

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional


class Autoencoder:
    """Minus the mean squared error of reconstructing a query, features standardised.

    Hawkins, He, Williams and Baxter, DaWaK 2002. Layers F, hidden, latent, hidden, F with GELU.
    """

    def __init__(
        self,
        latent: int = 128,
        hidden: tuple[int, ...] = (256,),
        steps: int = 1000,
        batch: int = 128,
        noise: float = 0.0,
        seed: int = 0,
    ) -> None:
        """`noise`: deviation of Gaussian noise on the input, the clean one being asked for."""
        self.latent, self.hidden, self.steps = latent, hidden, steps
        self.batch, self.noise, self.seed = batch, noise, seed

    def fit(self, library: Float32[np.ndarray, "L F"]) -> None:
        generator = torch.Generator().manual_seed(self.seed)
        vectors = torch.from_numpy(library)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network = layers(vectors.shape[1], self.hidden, self.latent)
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=1e-3, weight_decay=1e-4)
        for _ in range(self.steps):
            rows = torch.randint(len(vectors), (self.batch,), generator=generator)
            clean = vectors[rows]
            noise = torch.randn(clean.shape, generator=generator) * self.noise
            loss = functional.mse_loss(self.network(clean + noise), clean)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    @torch.no_grad()
    def score(self, queries: Float32[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        vectors = torch.from_numpy(queries)
        errors: Tensor = (self.network(vectors) - vectors).square().mean(dim=1)
        return -errors.double().numpy()


def layers(features: int, hidden: tuple[int, ...], latent: int) -> nn.Sequential:
    """The perceptron, down to `latent` and up again."""
    widths = [features, *hidden, latent, *reversed(hidden), features]
    parts: list[nn.Module] = []
    for number, (entering, leaving) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        bends = number > 0 and number != len(hidden) + 1
        parts += [nn.GELU()] if bends else []
        parts.append(nn.Linear(entering, leaving))
    return nn.Sequential(*parts)
