"""Adapters: from raw input to a latent vector."""

import itertools
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from satipatthana.arguments import require_batch
from satipatthana.configs.adapters import (
    AdapterConfig,
    CnnAdapterConfig,
    LstmAdapterConfig,
    MlpAdapterConfig,
    TransformerAdapterConfig,
)
from satipatthana.samatha.draws import float_type
from satipatthana.shapes import Bool, Float, Shaped


class BaseAdapter(nn.Module, ABC):
    """Adapter: projects raw input into the latent space. Subclasses write `encode`."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def encode(self, x: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        """The latent vector before normalisation; `x` has been checked."""

    def forward(self, x: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        """z, the latent vectors. ValueError, naming x, for a wrong shape, type or number."""
        z: Tensor = self.encode(self.checked(x))
        return functional.layer_norm(z, z.shape[1:]) if self.config.normalised else z

    def target(self, x: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B F"]:
        """What a reconstruction is compared with: the sample itself, flattened."""
        return self.checked(x).flatten(1)

    def checked(self, x: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
        """`x` in the adapter's own floating-point type. ValueError where it cannot be taken in."""
        require_batch("x", x, self.config.input_shape)
        if not x.is_floating_point():
            raise ValueError(f"x: expected floating-point numbers, got {x.dtype}")
        return x.to(next((weight.dtype for weight in self.parameters()), x.dtype))


class MlpAdapter(BaseAdapter):
    """Vectors, through a multi-layer perceptron."""

    def __init__(self, config: MlpAdapterConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise((config.input_dim, *config.hidden_dims)):
            layers += [nn.Linear(before, after), nn.GELU(), nn.Dropout(config.dropout)]
        last = (config.input_dim, *config.hidden_dims)[-1]
        self.layers = nn.Sequential(*layers, nn.Linear(last, config.latent_dim))

    def encode(self, x: Float[Tensor, "B F"]) -> Float[Tensor, "B D"]:
        z: Tensor = self.layers(x)
        return z


class CnnAdapter(BaseAdapter):
    """Images, channels first, through convolutions that each halve height and width."""

    def __init__(self, config: CnnAdapterConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        height, width = config.height, config.width
        for before, after in itertools.pairwise((config.channels, *config.feature_maps)):
            layers += [nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1), nn.GELU()]
            height, width = (height + 1) // 2, (width + 1) // 2
        flat = config.feature_maps[-1] * height * width
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, config.latent_dim))

    def encode(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B D"]:
        z: Tensor = self.layers(x)
        return z


class LstmAdapter(BaseAdapter):
    """Time series, through an LSTM; its last hidden state is projected."""

    def __init__(self, config: LstmAdapterConfig) -> None:
        super().__init__(config)
        self.lstm = nn.LSTM(
            config.input_dim, config.hidden_dim, num_layers=config.num_layers, batch_first=True
        )
        self.projection = nn.Linear(config.hidden_dim, config.latent_dim)

    def encode(self, x: Float[Tensor, "B length channels"]) -> Float[Tensor, "B D"]:
        _, (last_hidden, _) = self.lstm(x)
        z: Tensor = self.projection(last_hidden[-1])
        return z


class TransformerAdapter(BaseAdapter):
    """Sequences of vectors or of token numbers, through a transformer encoder and a mean.

    Token number 0 is padding: nothing attends to it and it is not in the mean. A sequence of
    nothing but padding (an augmenter may leave one) counts its positions alone.
    """

    def __init__(self, config: TransformerAdapterConfig) -> None:
        super().__init__(config)
        self.vocabulary_size = config.vocabulary_size
        self.embedding: nn.Module
        if config.vocabulary_size is not None:
            self.embedding = nn.Embedding(config.vocabulary_size, config.width, padding_idx=0)
        elif config.input_dim is not None:
            self.embedding = nn.Linear(config.input_dim, config.width)
        self.positions = nn.Parameter(0.02 * torch.randn(config.length, config.width))
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.num_heads,
            dim_feedforward=2 * config.width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config.num_layers, enable_nested_tensor=False)
        self.projection = nn.Linear(config.width, config.latent_dim)

    def checked(self, x: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
        if self.vocabulary_size is None:
            return super().checked(x)
        require_batch("x", x, self.config.input_shape)
        if x.is_floating_point() or x.is_complex() or x.dtype == torch.bool:
            raise ValueError(f"x: expected token numbers (integers), got {x.dtype}")
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= self.vocabulary_size:
            raise ValueError(
                f"x: expected token numbers 0 to {self.vocabulary_size - 1}, got {low} to {high}"
            )
        return x.long()

    def encode(self, x: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B D"]:
        seen_mask = self.seen_mask(x)
        embedded = self.embedding(x) + self.positions
        hidden: Tensor = self.encoder(embedded, src_key_padding_mask=~seen_mask)
        share = seen_mask.to(hidden.dtype) / seen_mask.sum(dim=1, keepdim=True)
        z: Tensor = self.projection((hidden * share.unsqueeze(-1)).sum(dim=1))
        return z

    def seen_mask(self, x: Shaped[Tensor, "B ..."]) -> Bool[Tensor, "B length"]:
        """Which positions count (True): all of a series of vectors; of tokens, no padding."""
        if self.vocabulary_size is None:
            return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        token_mask = x != 0
        return token_mask | ~token_mask.any(dim=1, keepdim=True)

    def target(self, x: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B F"]:
        """Of vectors, the sample, flattened; of tokens, the share of each among those that are
        not padding (V numbers that sum to 1, or zeros for padding alone)."""
        tokens = self.checked(x)
        if self.vocabulary_size is None:
            return tokens.flatten(1)
        one_hot = functional.one_hot(tokens, self.vocabulary_size)
        counts = one_hot.sum(dim=1).to(float_type(self.positions))
        counts[:, 0] = 0.0
        return counts / counts.sum(dim=1, keepdim=True).clamp(min=1.0)


def build_adapter(config: AdapterConfig) -> BaseAdapter:
    """The adapter of these settings. ValueError for settings of no known adapter."""
    match config:
        case MlpAdapterConfig():
            return MlpAdapter(config)
        case CnnAdapterConfig():
            return CnnAdapter(config)
        case LstmAdapterConfig():
            return LstmAdapter(config)
        case TransformerAdapterConfig():
            return TransformerAdapter(config)
        case _:
            raise ValueError(
                "adapter: expected the settings of an mlp, cnn, lstm or transformer adapter,"
                f" got {type(config).__name__}"
            )
