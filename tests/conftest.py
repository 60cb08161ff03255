"""What every test may use: small pictures, an empty library, and no network."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from retrieval import Library
from tests.stand_ins import COLOURS, ColourEncoder

SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture
def shared_data() -> Path:
    """The real photographs, for tests marked `realdata`."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the photographs of ../shared/data are not here")
    return SHARED_DATA


@pytest.fixture
def paint() -> Callable[..., Path]:
    """Writes a picture of one colour."""

    def write(path: Path, colour: str = "red", size: tuple[int, int] = (40, 30)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, COLOURS[colour]).save(path)
        return path

    return write


@pytest.fixture
def pictures(tmp_path: Path, paint: Callable[..., Path]) -> Path:
    """A folder with one picture of each colour."""
    for colour in COLOURS:
        paint(tmp_path / "pictures" / f"{colour}.png", colour)
    return tmp_path / "pictures"


@pytest.fixture
def encoder() -> ColourEncoder:
    return ColourEncoder()


@pytest.fixture
def library(tmp_path: Path, encoder: ColourEncoder) -> Iterator[Library]:
    with Library.open(tmp_path / "test.library", encoder=encoder) as opened:
        yield opened
