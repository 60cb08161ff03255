"""Fixtures of other folders that stories use."""

from tests.spectrum.encoders.conftest import no_network, tiny_models, unreachable

__all__ = ["no_network", "tiny_models", "unreachable"]
