"""Real photographs and the embedded encoder, by the commands that a user would type."""

import json
from pathlib import Path

import pytest

from retrieval import Library
from retrieval.cli import main as command_line

WEIGHTS = Path(__file__).parent.parent.parent / "spectrum" / "weights"


def test_the_embedded_files_are_small() -> None:
    assert sum(file.stat().st_size for file in WEIGHTS.iterdir()) <= 30e6


@pytest.mark.realdata
def test_captions_find_their_photographs(
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Flickr8k dev, 1,000 photographs, 5,000 captions: at least 57 % in the first ten."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("SPECTRUM_LIBRARY", raising=False)
    captions = str(shared_data / "flickr8k" / "captions.jsonl")
    monkeypatch.setattr(
        "sys.argv", ["spectrum", "eval", captions, "--split", "dev", "--format", "json"]
    )
    with pytest.raises(SystemExit) as stopped:
        command_line.main()
    assert not stopped.value.code
    report = json.loads(capsys.readouterr().out)
    assert (report["n_images"], report["text_to_image"]["n_queries"]) == (1000, 5000)
    assert report["text_to_image"]["hit@10"]["value"] >= 0.57


@pytest.mark.realdata
def test_a_photograph_finds_itself_and_its_kind(shared_data: Path, tmp_path: Path) -> None:
    classes = sorted((shared_data / "caltech_half").iterdir())
    folders = [folder for folder in classes if folder.is_dir()][:4]
    with Library.open(tmp_path / "test.library") as library:
        for folder in folders:
            library.index(folder)
        for folder in folders:
            photograph = sorted(folder.iterdir())[0]
            (itself,) = library.search(image=photograph, top=1).hits
            assert str(photograph) in (itself.path, *itself.copies)
            # Not 1: both sides are refined over their neighbourhoods, each a little otherwise.
            assert itself.similarity > 0.9
            kind = [Path(hit.path).parent for hit in library.similar(photograph, top=5).hits]
            assert kind.count(folder) >= 3
