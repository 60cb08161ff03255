"""`--intent` and `--intent-strength` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path

Spectrum = Callable[..., object]


def paths(run: object) -> list[str]:
    return [Path(hit["path"]).stem for hit in json.loads(run.out)["hits"]]  # type: ignore[attr-defined]


def test_an_image_with_an_intent(spectrum: Spectrum, pictures: Path) -> None:
    spectrum("index", pictures)
    red = pictures / "red.png"
    asked = ("search", red, "--format", "json", "--no-reject")
    plain = paths(spectrum(*asked))
    assert plain[0] == "red"
    assert paths(spectrum(*asked, "--intent", "but blue"))[0] == "blue"
    assert paths(spectrum(*asked, "--intent", "but blue", "--intent-strength", 0)) == plain


def test_an_intent_needs_an_image(spectrum: Spectrum, pictures: Path) -> None:
    spectrum("index", pictures)
    run = spectrum("search", "red", "--intent", "but blue")
    assert run.code == 2  # type: ignore[attr-defined]
    assert "the intent 'but blue' is about an image: name one to resemble" in run.err  # type: ignore[attr-defined]
