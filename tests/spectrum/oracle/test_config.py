"""What an `OracleConfig` refuses."""

import math
from typing import Any

import pytest

from spectrum.oracle.config import OracleConfig


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"token_width": 0}, "^token_width must be at least 1, got 0$"),
        ({"width": 0}, "^width must be at least 1, got 0$"),
        ({"relation_width": 0}, "^relation_width must be at least 1, got 0$"),
        ({"hidden": 0}, "^hidden must be at least 1, got 0$"),
        ({"rank": 0}, "^rank must be at least 1, got 0$"),
        ({"attention_temperature_start": 0.0}, "^attention_temperature_start must be above 0, got"),
        ({"context_temperature_start": math.nan}, "^context_temperature_start must be above 0, go"),
        ({"image_share_start": 1.0}, "^image_share_start must be above 0 and below 1, got 1.0$"),
        ({"local_share_start": 0.0}, "^local_share_start must be above 0 and below 1, got 0.0$"),
    ],
)
@pytest.mark.usefixtures("without_shape_hook")
def test_configs_have_limits(limits: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OracleConfig(**{"token_width": 11, "width": 7, **limits})
