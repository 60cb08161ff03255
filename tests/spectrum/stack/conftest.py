"""What a user meets, who runs without the shape hook of the tests."""

from tests.spectrum.harmony.conftest import without_shape_hook

__all__ = ["without_shape_hook"]
