"""Every adapter in one loop; then tokens, targets and bad input."""

import math

import pytest
import torch
from torch import Tensor

from satipatthana.configs import AdapterConfig, create_adapter_config
from satipatthana.samatha import BaseAdapter, build_adapter
from tests.satipatthana.samatha.engines import ADAPTERS, VOCABULARY, WIDTH, samples

TOKENS = "transformer of tokens"


def adapter(kind: str) -> BaseAdapter:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return build_adapter(ADAPTERS[kind]).eval()


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_adapter_gives_normalised_vectors_that_no_batch_mate_changes(kind: str) -> None:
    made, x = adapter(kind), samples(ADAPTERS[kind], 4)
    z = made(x)
    assert z.shape == (4, WIDTH)
    assert z.mean(dim=1).tolist() == pytest.approx([0.0] * 4, abs=1e-6)
    assert z.norm(dim=1).tolist() == pytest.approx([math.sqrt(WIDTH)] * 4, rel=1e-2)
    for sample in range(4):
        assert torch.allclose(made(x[sample : sample + 1])[0], z[sample], atol=1e-5)
    assert float(torch.pdist(z.detach()).min()) > 1e-4


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_adapter_learns_in_all_its_parts(kind: str) -> None:
    made = adapter(kind).train()
    (made(samples(ADAPTERS[kind], 8)) * torch.arange(WIDTH)).sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad.isfinite().all(), name
    assert float(next(made.parameters()).grad.abs().sum()) > 0.0


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_target_is_as_wide_as_its_settings_say(kind: str) -> None:
    made, x = adapter(kind), samples(ADAPTERS[kind], 3)
    target = made.target(x)
    assert target.shape == (3, ADAPTERS[kind].target_dim)
    if kind != TOKENS:
        assert torch.equal(target, x.flatten(1))


@pytest.mark.parametrize("kind", [kind for kind in ADAPTERS if kind != TOKENS])
def test_numbers_of_another_precision_are_taken_in(kind: str) -> None:
    made, x = adapter(kind), samples(ADAPTERS[kind], 3)
    assert torch.equal(made(x.double()), made(x))


def test_without_normalisation_z_is_the_layers_answer() -> None:
    config = create_adapter_config(
        "mlp", input_dim=3, latent_dim=2, hidden_dims=(), normalised=False
    )
    made, x = build_adapter(config), torch.tensor([[1.0, 2.0, 3.0]])
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(0.5)
    assert made(x).tolist() == [[3.5, 3.5]]


def test_shares_of_tokens_leave_padding_out() -> None:
    """Of 3, 3, 7 and 1: a half, a quarter and a quarter; padding alone has no shares."""
    target = adapter(TOKENS).target(torch.tensor([[3, 3, 7, 1, 0], [0, 0, 0, 0, 0]]))
    expected = torch.zeros(2, VOCABULARY)
    expected[0, 3], expected[0, 7], expected[0, 1] = 0.5, 0.25, 0.25
    assert torch.equal(target, expected)


def test_padding_changes_nothing_wherever_attention_looks() -> None:
    """A longer padded sequence and a shorter one, of settings that differ in length only."""
    made, short = adapter(TOKENS), torch.tensor([[4, 2, 9, 0, 0]])
    embedding = made.embedding
    z = made(short)
    with torch.no_grad():
        embedding.weight[0] = 100.0
    assert torch.allclose(made(short), z, atol=1e-5)
    assert made(torch.zeros(1, 5, dtype=torch.long)).isfinite().all()


def bad_inputs() -> list[tuple[str, Tensor, str]]:
    broken = torch.zeros(3, 5)
    broken[1, 2] = float("nan")
    return [
        ("mlp", torch.zeros(3, 6), r"^x: expected the shape \(B, 5\), got \(3, 6\)$"),
        ("mlp", torch.zeros(5), r"^x: expected the shape \(B, 5\), got \(5,\)$"),
        ("mlp", torch.zeros(0, 5), "^x: expected one sample or more, got an empty batch$"),
        ("mlp", broken, "^x: expected finite numbers, got NaN or infinity in sample 1$"),
        ("mlp", broken.long(), r"^x: expected floating-point numbers, got torch\.int64$"),
        ("cnn", torch.zeros(3, 2, 5, 7), r"^x: expected the shape \(B, 2, 7, 5\), got \(3, 2, 5"),
        ("lstm", torch.zeros(3, 4, 3), r"^x: expected the shape \(B, 5, 3\), got \(3, 4, 3\)$"),
        (
            TOKENS,
            torch.zeros(3, 5),
            r"^x: expected token numbers \(integers\), got torch\.float32$",
        ),
        (TOKENS, torch.full((1, 5), 11), "^x: expected token numbers 0 to 10, got 11 to 11$"),
        (TOKENS, torch.full((1, 5), -1), "^x: expected token numbers 0 to 10, got -1 to -1$"),
    ]


@pytest.mark.parametrize(("kind", "x", "message"), bad_inputs())
def test_bad_input_is_named(kind: str, x: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        adapter(kind)(x)
    with pytest.raises(ValueError, match=message):
        adapter(kind).target(x)


def test_settings_of_no_adapter_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^adapter: expected .*, got AdapterConfig$"):
        build_adapter(AdapterConfig(latent_dim=4))
