"""The third engine: every decoder through the same questions, and each one's own claim."""

import math

import pytest
import torch
from torch import Tensor

from satipatthana.configs import DecoderConfig
from satipatthana.configs.system import Task
from satipatthana.decoders import (
    BaseDecoder,
    ConditionalDecoder,
    IdentityDecoder,
    LinearRegressor,
    ReconstructionDecoder,
    SoftmaxClassifier,
    build_decoder,
)

B, D, C, Y, F = 5, 7, 3, 4, 11
KINDS: dict[str, tuple[Task, type[BaseDecoder], int]] = {
    "conditional": ("classification", ConditionalDecoder, Y),
    "reconstruction": ("reconstruction", ReconstructionDecoder, F),
    "identity": ("none", IdentityDecoder, D),
    "softmax": ("classification", SoftmaxClassifier, Y),
    "linear": ("regression", LinearRegressor, Y),
}


def built(kind: str) -> BaseDecoder:
    torch.manual_seed(0)
    task = KINDS[kind][0]
    return build_decoder(
        DecoderConfig(kind=kind, hidden_dims=(6,)),  # type: ignore[arg-type]
        task,
        D,
        C,
        None if task == "reconstruction" else Y,
        F,
    )


@pytest.fixture
def s_star() -> Tensor:
    return torch.randn(B, D, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def v_ctx() -> Tensor:
    return torch.randn(B, C, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("kind", KINDS)
def test_every_decoder_answers_each_sample_alone_as_in_the_batch(
    kind: str, s_star: Tensor, v_ctx: Tensor
) -> None:
    decoder = built(kind)
    assert type(decoder) is KINDS[kind][1]
    together = decoder(s_star, v_ctx)
    assert together.shape == (B, decoder.output_dim) == (B, KINDS[kind][2])
    assert torch.allclose(decoder(s_star[2:3], v_ctx[2:3]), together[2:3], atol=1e-6)
    assert decoder.raw(s_star, v_ctx).shape == together.shape


@pytest.mark.parametrize("kind", ["conditional", "reconstruction", "softmax", "linear"])
def test_answers_depend_on_state_and_context(kind: str, s_star: Tensor, v_ctx: Tensor) -> None:
    decoder = built(kind)
    answers = decoder(s_star, v_ctx)
    assert bool((decoder(s_star + 1, v_ctx) != answers).any(dim=1).all())
    assert bool((decoder(s_star, v_ctx + 1) != answers).any(dim=1).all())


def test_the_identity_is_the_state_and_has_nothing_to_train(s_star: Tensor, v_ctx: Tensor) -> None:
    decoder = built("identity")
    assert torch.equal(decoder(s_star, v_ctx), s_star)
    assert list(decoder.parameters()) == []


def test_softmax_answers_probabilities_and_its_raw_answers_are_their_logits(
    s_star: Tensor, v_ctx: Tensor
) -> None:
    decoder = built("softmax")
    probs = decoder(s_star, v_ctx)
    assert torch.allclose(probs.sum(dim=1), torch.ones(B))
    assert torch.allclose(decoder.raw(s_star, v_ctx).softmax(dim=1), probs)


@pytest.mark.parametrize("kind", ["conditional", "reconstruction", "identity", "linear"])
def test_the_others_answer_raw_numbers(kind: str, s_star: Tensor, v_ctx: Tensor) -> None:
    decoder = built(kind)
    assert torch.equal(decoder(s_star, v_ctx), decoder.raw(s_star, v_ctx))


@pytest.mark.parametrize("kind", ["linear", "softmax"])
def test_linear_and_softmax_are_linear_in_state_and_context(
    kind: str, s_star: Tensor, v_ctx: Tensor
) -> None:
    decoder = built(kind)
    zero = decoder.raw(torch.zeros_like(s_star), torch.zeros_like(v_ctx))
    opposite = (decoder.raw(s_star, v_ctx) + decoder.raw(-s_star, -v_ctx)) / 2
    assert torch.allclose(opposite, zero, atol=1e-6)


def test_a_conditional_decoder_of_reconstruction_answers_the_inputs_width() -> None:
    decoder = build_decoder(DecoderConfig(), "reconstruction", D, C, None, F)
    assert decoder.output_dim == F


@pytest.mark.usefixtures("without_shape_hook")
@pytest.mark.parametrize(
    ("kind", "task", "output_dim", "message"),
    [
        ("softmax", "regression", Y, "task of the decoder 'softmax': expected one of class"),
        ("linear", "classification", Y, "task of the decoder 'linear': expected one of regression"),
        ("reconstruction", "none", None, "task of the decoder 'reconstruction': expected one of"),
        ("conditional", "classification", None, "output_dim: expected the width of the answer"),
        ("reconstruction", "reconstruction", Y, "output_dim: expected one of None, 11, got 4"),
        ("conditional", "poetry", Y, "task: expected one of classification, .* got 'poetry'"),
    ],
)
def test_what_does_not_fit_is_named(
    kind: str, task: Task, output_dim: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build_decoder(
            DecoderConfig(kind=kind),  # type: ignore[arg-type]
            task,
            D,
            C,
            output_dim,
            F,
        )


@pytest.mark.usefixtures("without_shape_hook")
@pytest.mark.parametrize(
    ("state", "context", "message"),
    [
        (torch.ones(B, 2), torch.ones(B, C), r"s_star: expected the shape \(B, 7\), got \(5, 2\)"),
        (torch.ones(B, D), torch.ones(B, 2), r"v_ctx: expected the shape \(B, 3\), got \(5, 2\)"),
        (torch.ones(0, D), torch.ones(0, C), "s_star: expected one sample or more"),
        (torch.ones(B, D), torch.full((B, C), math.nan), "v_ctx: expected finite numbers"),
        (torch.ones(B, D), torch.ones(2, C), "v_ctx: expected 5 entries, got 2"),
    ],
)
def test_bad_input_is_named(state: Tensor, context: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        built("conditional")(state, context)
