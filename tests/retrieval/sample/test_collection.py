"""The collection on disk: whole, reused, replaced as a whole, and the same bytes every time."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from retrieval.sample import collection
from retrieval.sample.collection import write_collection
from retrieval.sample.painter import Picture
from retrieval.sample.scene import Scene


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collection(tmp_path_factory.mktemp("made") / "sample", n_scenes=4, seed=5).parent


def test_every_picture_has_captions_and_ground_truth(sample: Path) -> None:
    told, known = lines(sample / "captions.jsonl"), lines(sample / "scenes.jsonl")
    images = sorted(f"images/{path.name}" for path in (sample / "images").iterdir())
    assert images == [line["image"] for line in told] == [line["image"] for line in known]
    assert len(images) == 4
    for line, truth in zip(told, known, strict=True):
        assert line["split"] == "demo"
        assert len(set(line["captions"])) == 5
        with Image.open(sample / str(line["image"])) as image:
            assert (image.width, image.height) == (truth["width"], truth["height"])
            assert image.format == "JPEG"
        things = truth["things"]
        roles = [thing["role"] for thing in things]
        assert roles.count("subject") == truth["attributes"]["count"]
        for thing in things:
            left, top, right, bottom = thing["box"]
            assert 0 <= left < right <= truth["width"]
            assert 0 <= top < bottom <= truth["height"]


def test_file_names_say_what_is_in_the_picture(sample: Path) -> None:
    for truth in lines(sample / "scenes.jsonl"):
        assert str(truth["attributes"]["colour"]) in str(truth["image"])
        assert str(truth["attributes"]["shape"]) in str(truth["image"])


def test_the_same_seed_gives_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    again = write_collection(tmp_path / "again", n_scenes=4, seed=5).parent
    assert bytes_of(again) == bytes_of(sample)


def test_a_whole_collection_is_not_painted_again(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(scene: Scene) -> Picture:
        raise AssertionError(f"painted {scene.slug} again")

    monkeypatch.setattr(collection, "paint", refuse)
    assert write_collection(sample, n_scenes=4, seed=5) == sample / "captions.jsonl"
    with pytest.raises(AssertionError, match="painted"):
        write_collection(sample, n_scenes=3, seed=5)
    assert len(lines(sample / "captions.jsonl")) == 4


def flat(scene: Scene) -> Picture:
    """A picture that costs nothing."""
    shape = (scene.height, scene.width)
    return Picture(np.zeros((*shape, 3), np.uint8), np.ones((1, *shape), bool), scene)


def test_a_missing_picture_or_another_seed_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "paint", flat)
    folder = tmp_path / "sample"
    write_collection(folder, n_scenes=2, seed=1)
    first = bytes_of(folder)
    lost = next((folder / "images").iterdir())
    lost.unlink()
    write_collection(folder, n_scenes=2, seed=1)
    assert bytes_of(folder) == first
    write_collection(folder, n_scenes=2, seed=2)
    assert bytes_of(folder)["captions.jsonl"] != first["captions.jsonl"]
    assert [path.name for path in tmp_path.iterdir()] == ["sample"]


def test_an_interruption_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    painted: list[Scene] = []

    def fail_at_second(scene: Scene) -> Picture:
        painted.append(scene)
        if len(painted) == 2:
            raise KeyboardInterrupt
        return flat(scene)

    monkeypatch.setattr(collection, "paint", fail_at_second)
    with pytest.raises(KeyboardInterrupt):
        write_collection(tmp_path / "sample", n_scenes=3)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"holds holiday\.jpg, .*give a new or empty folder"):
        write_collection(tmp_path, n_scenes=2)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "sample").write_text("a note")
    with pytest.raises(FileExistsError, match="is a file; give a folder"):
        write_collection(tmp_path / "sample", n_scenes=2)
