"""Settings of the adapters: how raw input becomes a latent vector."""

import dataclasses
import math
from typing import Any, TypeVar

from satipatthana.arguments import require_at_least, require_choice, require_inside

C = TypeVar("C")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdapterConfig:
    """What every adapter is told."""

    latent_dim: int
    """D, width of the latent space; 64 to 256 recommended."""
    normalised: bool = True
    """Whether z is brought to mean 0 and variance 1 (layer norm without gains): length sqrt(D)."""

    def __post_init__(self) -> None:
        require_at_least("latent_dim", self.latent_dim, 2)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        raise NotImplementedError

    @property
    def target_dim(self) -> int:
        """F, width of what a reconstruction head is asked for: a sample, flattened."""
        return math.prod(self.input_shape)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MlpAdapterConfig(AdapterConfig):
    """Vectors, through a multi-layer perceptron."""

    input_dim: int
    """Width of a sample."""
    hidden_dims: tuple[int, ...] = (256,)
    """Widths of the hidden layers; none makes the adapter linear."""
    dropout: float = 0.0
    """Share of hidden units dropped in training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least("input_dim", self.input_dim, 1)
        for width in self.hidden_dims:
            require_at_least("hidden_dims", width, 1)
        require_inside("dropout", self.dropout, -1e-9, 1.0)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.input_dim,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CnnAdapterConfig(AdapterConfig):
    """Images, channels first, through strided convolutions."""

    channels: int
    height: int
    """Pixels; halved by every layer."""
    width: int
    """Pixels; halved by every layer."""
    feature_maps: tuple[int, ...] = (16, 32)
    """Channels of the convolutions, each of stride 2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("channels", "height", "width"):
            require_at_least(name, getattr(self, name), 1)
        require_at_least("feature_maps", len(self.feature_maps), 1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.channels, self.height, self.width)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LstmAdapterConfig(AdapterConfig):
    """Time series, through an LSTM; z is its last hidden state."""

    input_dim: int
    """Channels of the series."""
    length: int
    """Steps of the series."""
    hidden_dim: int = 64
    num_layers: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("input_dim", "length", "hidden_dim", "num_layers"):
            require_at_least(name, getattr(self, name), 1)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.length, self.input_dim)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerAdapterConfig(AdapterConfig):
    """Sequences of vectors, or of token numbers, through a transformer encoder and a mean."""

    length: int
    """Positions; token number 0 is padding."""
    input_dim: int | None = None
    """Width of a position; None for token numbers."""
    vocabulary_size: int | None = None
    """V, how many token numbers there are; None for vectors."""
    width: int = 64
    num_heads: int = 4
    num_layers: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("length", "width", "num_heads", "num_layers"):
            require_at_least(name, getattr(self, name), 1)
        if (self.input_dim is None) == (self.vocabulary_size is None):
            raise ValueError(
                "input_dim, vocabulary_size: expected one of the two,"
                f" got {self.input_dim} and {self.vocabulary_size}"
            )
        if self.width % self.num_heads:
            raise ValueError(
                f"width: expected a multiple of num_heads = {self.num_heads}, got {self.width}"
            )

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.length,) if self.input_dim is None else (self.length, self.input_dim)

    @property
    def target_dim(self) -> int:
        """Of token numbers: V, the share of each token in the sequence."""
        return super().target_dim if self.vocabulary_size is None else self.vocabulary_size


ADAPTERS: dict[str, type[AdapterConfig]] = {
    "mlp": MlpAdapterConfig,
    "cnn": CnnAdapterConfig,
    "lstm": LstmAdapterConfig,
    "transformer": TransformerAdapterConfig,
}


def create_adapter_config(kind: str, **settings: Any) -> AdapterConfig:
    """The settings of an adapter by its kind: mlp, cnn, lstm or transformer.

    ValueError for an unknown kind, an unknown setting, or a missing one.
    """
    require_choice("kind", kind, ADAPTERS)
    return configured(ADAPTERS[kind], settings)


def configured(config: type[C], settings: dict[str, Any]) -> C:
    """The dataclass with these settings. ValueError, in one line, for unknown and missing ones."""
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    for name in settings:
        require_choice(f"{config.__name__} setting", name, fields)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING is field.default_factory
        if required and name not in settings:
            raise ValueError(f"{config.__name__}: expected a value for {name}, got none")
    return config(**settings)
