"""The small networks of the gate, trained with torch; what they learned leaves as NumPy arrays.

Nothing here is imported by a search. Networks about words' company are trained in
`company_training.py`.
"""

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from retrieval.rejection.company import Layer
from spectrum.one_thread import one_thread

PENALTY = 1.7
"""Of the squared weights of the multinomial regression, beside the sum over the queries."""


def layer_of(part: nn.Module) -> Layer:
    """A linear layer's arrays."""
    assert isinstance(part, nn.Linear)
    return Layer(part.weight.detach().numpy().copy(), part.bias.detach().numpy().copy())


def perceptron(
    known: Float32[np.ndarray, "K I"],
    void: Float32[np.ndarray, "V I"],
    *,
    hidden: int,
    monotone: bool = False,
    epochs: int = 20,
    seed: int = 0,
) -> list[Layer]:
    """Layers that tell known (positive) from void, both sides weighing the same.

    `hidden` = 0 is a logistic regression; `monotone` keeps its weights from falling below 0.
    """
    inputs = torch.from_numpy(np.concatenate([known, void]))
    target = torch.cat([torch.ones(len(known)), torch.zeros(len(void))])
    weight = torch.where(target > 0, 0.5 / len(known), 0.5 / len(void)) * len(target)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        width = inputs.shape[1]
        widths = [width, hidden, 1] if hidden else [width, 1]
        parts = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        dropout = nn.Dropout(0.25 if hidden else 0.0)
        parameters = [each for part in parts for each in part.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=2e-3 if hidden else 2e-2, weight_decay=1e-2)
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(inputs)), 256):
                moved = inputs[rows]
                for part in parts[:-1]:
                    moved = dropout(torch.relu(part(moved)))
                loss = functional.binary_cross_entropy_with_logits(
                    parts[-1](moved)[:, 0], target[rows], weight[rows]
                )
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                if monotone:
                    with torch.no_grad():
                        parts[0].weight.clamp_(min=0.0)
    return [layer_of(part) for part in parts]


def multinomial(
    inputs: Float32[np.ndarray, "Q I"], classes: Int64[np.ndarray, "Q"], count: int
) -> Layer:
    """The logits' layer of a multinomial regression, with an L2 penalty."""
    seen, target = torch.from_numpy(inputs).double(), torch.from_numpy(classes)
    weight = torch.zeros(count, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(count, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = seen @ weight.T + bias
        penalty = PENALTY * (weight**2).sum() / len(seen)
        total: Tensor = functional.cross_entropy(logits, target) + penalty
        torch.autograd.backward(total)
        return total

    with one_thread():
        optimiser.step(loss)  # type: ignore[no-untyped-call]
    return Layer(
        weight.detach().numpy().astype(np.float32), bias.detach().numpy().astype(np.float32)
    )


def autoencoder(
    known: Float32[np.ndarray, "K I"], *, latent: int = 128, steps: int = 600, seed: int = 0
) -> list[Layer]:
    """Layers I, 256, latent, 256, I with ReLU around the hidden ones; denoising, deviation 0.3."""
    inputs = torch.from_numpy(known)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = [inputs.shape[1], 256, latent, 256, inputs.shape[1]]
        parts = [nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False)]
        parameters = [each for part in parts for each in part.parameters()]
        optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-4)
        for _ in range(steps):
            clean = inputs[torch.randint(len(inputs), (128,))]
            moved = clean + 0.3 * torch.randn(clean.shape)
            for number, part in enumerate(parts):
                moved = part(moved if number in (0, 2) else torch.relu(moved))
            loss = functional.mse_loss(moved, clean)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return [layer_of(part) for part in parts]
