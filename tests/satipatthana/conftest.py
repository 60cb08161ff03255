"""What a user meets, who runs without the shape hook of the tests."""

from collections.abc import Iterator

import jaxtyping
import pytest


@pytest.fixture
def without_shape_hook() -> Iterator[None]:
    """The hook would refuse wrong shapes before the function's own message is reached."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
