"""open_clip and transformers models, random weights in local files, by the same path as ours."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrieval.cli import main as command_line
from tests.spectrum.encoders.tiny_models import TinyModels

Spectrum = Callable[..., tuple[int, str, str]]

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.fixture
def spectrum(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Spectrum:
    monkeypatch.setenv("SPECTRUM_LIBRARY", str(tmp_path / "test.library"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["spectrum", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def names(models: TinyModels) -> dict[str, str]:
    return {
        "clip": f"hf:{models.clip}",
        "siglip": f"hf:{models.siglip}",
        "open_clip": f"open_clip:tiny-vit/{models.open_clip['tiny-vit']}",
    }


@pytest.mark.parametrize("family", ["clip", "siglip", "open_clip"])
def test_from_a_folder_to_an_answer(
    spectrum: Spectrum, pictures: Path, tiny_models: TinyModels, family: str
) -> None:
    encoder = names(tiny_models)[family]
    code, _, err = spectrum("index", pictures, "--encoder", encoder)
    assert code == 0, err
    # The library knows its encoder: nobody has to name it again.
    code, out, err = spectrum("search", pictures / "red.png", "--format", "json")
    assert code == 0, err
    hits = json.loads(out)["hits"]
    assert Path(hits[0]["path"]).name == "red.png"
    np.testing.assert_allclose(hits[0]["score"], 1, atol=1e-4)
    code, out, _ = spectrum("search", "a red square", "--format", "json")
    assert (code, len(json.loads(out)["hits"])) == (0, 5)


def test_other_encoders_and_other_weights_are_refused(
    spectrum: Spectrum, pictures: Path, tiny_models: TinyModels, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    model = Path(shutil.copytree(tiny_models.clip, tmp_path / "model"))
    assert spectrum("index", pictures, "--encoder", f"hf:{model}")[0] == 0
    code, _, err = spectrum("search", "red", "--encoder", "embedded")
    assert code == 4
    assert f"this library was built with the encoder 'hf:{model}', not 'embedded'" in err
    code, _, err = spectrum("index", pictures, "--encoder", f"hf:{tiny_models.siglip}")
    assert code == 4
    weights = load_file(model / "model.safetensors")
    weights["logit_scale"] += 1
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    code, out, err = spectrum("search", "red")
    assert (code, out) == (4, "")
    assert "other weights of 'hf:" in err
    assert err.count("\n") == 1
    shutil.rmtree(model)
    code, _, err = spectrum("search", "red")
    assert code == 5, err
    assert err.count("\n") == 1
