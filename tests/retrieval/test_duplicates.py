"""Duplicates from the files to the answer: found, grouped, folded, and told apart."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from indexer.schema import Content
from retrieval import Library
from tests.retrieval.cli.conftest import Spectrum, spectrum

__all__ = ["spectrum"]

SIZE = (240, 180)


def scene(seed: int) -> Image.Image:
    """Soft blots of light and colour, with as much light and shade as a photograph has."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, size=(6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(SIZE, Image.Resampling.BICUBIC)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Five scenes; of the first another size, another compression and a copy; of the second a copy.

    And two plain surfaces of one colour, which are no duplicates of anything.
    """
    folder = tmp_path / "album"
    folder.mkdir()
    for seed in range(5):
        scene(seed).save(folder / f"scene{seed}.png")
    scene(0).resize((160, 120), Image.Resampling.LANCZOS).save(folder / "small.png")
    scene(0).save(folder / "worse.jpg", quality=40)
    shutil.copy(folder / "scene0.png", folder / "scene0 copy.png")
    shutil.copy(folder / "scene1.png", folder / "scene1 copy.png")
    for side in (30, 50):
        Image.new("RGB", (side, side), "red").save(folder / f"plain{side}.png")
    return folder


def groups(library: Library, *, exact: bool = False) -> list[list[tuple[str, str]]]:
    return [
        [(Path(file.path).name, file.kind) for file in group.files]
        for group in library.duplicates(exact=exact)
    ]


NEAR = [
    [
        ("scene0.png", "best"),
        ("scene0 copy.png", "copy"),
        ("small.png", "near"),
        ("worse.jpg", "near"),
    ],
    [("scene1.png", "best"), ("scene1 copy.png", "copy")],
]
EXACT = [
    [("scene0.png", "best"), ("scene0 copy.png", "copy")],
    [("scene1.png", "best"), ("scene1 copy.png", "copy")],
]


def in_any_order(found: list[list[tuple[str, str]]]) -> list[set[tuple[str, str]]]:
    return [set(group) for group in found]


def test_copies_and_near_duplicates_are_found_and_nothing_else(
    library: Library, album: Path
) -> None:
    library.index(album)
    found = groups(library)
    assert in_any_order(found) == in_any_order(NEAR)
    assert [group[:2] for group in found] == [group[:2] for group in NEAR], "the best, its copies"
    assert groups(library, exact=True) == EXACT
    first = library.duplicates()[0].files
    assert (first[0].width, first[0].height, first[0].similarity) == (*SIZE, 1.0)
    others = [file.similarity for file in first if file.kind == "near"]
    assert others == sorted(others, reverse=True)
    assert others[0] < 1


def test_an_old_library_gets_its_hashes_first(library: Library, album: Path) -> None:
    library.index(album)
    with library.catalogue.writing() as session:
        session.execute(update(Content).values(difference_hash=None))
    (album / "worse.jpg").write_bytes(b"changed since")
    found = in_any_order(groups(library))
    assert found[0] == set(NEAR[0]) - {("worse.jpg", "near")}
    assert len(library.search("red", top=20).hits) == 8, (
        "the one whose hash is unknown stands alone"
    )


def test_what_is_gone_is_no_duplicate(library: Library, album: Path) -> None:
    library.index(album)
    for name in ("scene0.png", "scene0 copy.png", "scene1 copy.png"):
        (album / name).unlink()
    library.index(album, options=_prune())
    assert in_any_order(groups(library)) in (
        [{("small.png", "near"), ("worse.jpg", "best")}],
        [{("small.png", "best"), ("worse.jpg", "near")}],
    )


def _prune() -> object:
    from indexer.build import BuildOptions

    return BuildOptions(prune=True)


def test_no_pictures_no_duplicates(library: Library, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    library.index(tmp_path / "empty")
    assert library.duplicates() == []


def test_results_fold_near_duplicates_under_the_best(library: Library, album: Path) -> None:
    library.index(album)
    image = album / "scene0.png"
    hits = library.search(image=image, top=3).hits
    assert Path(hits[0].path).name in ("scene0.png", "scene0 copy.png")
    assert {Path(path).name for path in hits[0].near} == {"small.png", "worse.jpg"}
    assert len(hits) == 3, "folding makes room for others"
    every = library.search(image=image, top=20, duplicates=True).hits
    assert len(every) == 9
    assert all(hit.near == () for hit in every)
    folded = library.search(image=image, top=20).hits
    assert len(folded) == 7
    ranked = [hit.image_id for hit in every]
    assert [hit.image_id for hit in folded] == sorted(
        (hit.image_id for hit in folded), key=ranked.index
    )
    for top in range(1, 7):
        some = library.search(image=image, top=top).hits
        assert [hit.image_id for hit in some] == [hit.image_id for hit in folded[:top]]


def test_similar_finds_other_sizes_of_the_very_picture(library: Library, album: Path) -> None:
    library.index(album)
    hits = library.similar(album / "scene0.png", top=20).hits
    assert len(hits) == 7, "two near ones are one hit, and the picture itself is none"
    assert {Path(path).name for path in (hits[0].path, *hits[0].near)} == {"small.png", "worse.jpg"}
    assert len(library.similar(album / "scene0.png", top=20, duplicates=True).hits) == 8


def test_many_near_duplicates_do_not_crowd_others_out(library: Library, tmp_path: Path) -> None:
    """More of one picture than are fetched at first: the search goes on."""
    folder = tmp_path / "burst"
    folder.mkdir()
    for i in range(90):
        scene(0).resize((240 - i, 180), Image.Resampling.LANCZOS).save(folder / f"a{i:02}.png")
    for seed in range(1, 4):
        scene(seed).save(folder / f"b{seed}.png")
    library.index(folder)
    hits = library.search(image=folder / "a00.png", top=4).hits
    assert [Path(hit.path).name[0] for hit in hits] == ["a", "b", "b", "b"]
    assert len(hits[0].near) == 89


def test_the_command_in_every_format(spectrum: Spectrum, album: Path) -> None:
    spectrum("index", album)
    said = json.loads(spectrum("duplicates", "--format", "json").out)
    assert [row["group"] for row in said] == [1, 2]
    files = [file for row in said for file in row["files"]]
    assert in_any_order([[(Path(f["path"]).name, f["kind"]) for f in row["files"]] for row in said])
    assert [
        json.loads(line) for line in spectrum("duplicates", "--format", "jsonl").out.splitlines()
    ] == said
    rows = list(csv.DictReader(io.StringIO(spectrum("duplicates", "--format", "csv").out)))
    assert [row["path"] for row in rows] == [file["path"] for file in files]
    assert [row["group"] for row in rows] == ["1"] * 4 + ["2"] * 2
    assert spectrum("duplicates", "-f").out.splitlines() == [file["path"] for file in files]
    spare = spectrum("duplicates", "-0", "--omit-first").out.split("\0")[:-1]
    assert spare == [file["path"] for file in files if file["kind"] != "best"]
    run = spectrum("duplicates")
    assert "near " in run.out
    assert "2 groups, 4 files beside the best" in run.err
    assert "best" in run.out
    exact = json.loads(spectrum("duplicates", "--exact", "--format", "json").out)
    assert [len(row["files"]) for row in exact] == [2, 2]


def test_the_command_finds_nothing(spectrum: Spectrum, pictures: Path) -> None:
    spectrum("index", pictures)
    run = spectrum("duplicates")
    assert (run.code, run.out, run.err) == (0, "", "no duplicates\n")
    assert spectrum("duplicates", "--exit-status").code == 1
    assert spectrum("duplicates", "--format", "json").out == "[]\n"


def test_search_folds_and_filters_on_the_command_line(spectrum: Spectrum, album: Path) -> None:
    spectrum("index", album)
    image = album / "scene0.png"
    run = spectrum("search", "--image", image, "-t", 1)
    assert "(+1 copy, +2 nearly the same)" in run.out
    (row,) = json.loads(spectrum("search", "--image", image, "-t", 1, "--format", "json").out)[
        "hits"
    ]
    assert {Path(path).name for path in row["near"]} == {"small.png", "worse.jpg"}
    paths = spectrum("search", "red", "-w", "name~scene3 or width<60", "-f").out.splitlines()
    assert {Path(path).name for path in paths} == {"plain30.png", "plain50.png", "scene3.png"}
    assert len(spectrum("search", "red", "--duplicates", "-f", "-t", 20).out.splitlines()) == 9
    assert spectrum("similar", image, "--where", "format=jpg", "-f").out == f"{album}/worse.jpg\n"
    run = spectrum("search", "red", "--where", "width>5000", "--exit-status")
    assert (run.code, run.out) == (1, "")
    assert run.err == "nothing found: no picture fits the filter\n"
    run = spectrum("search", "red", "--where", "widht>5000")
    assert (run.code, run.out) == (2, "")
    assert run.err.startswith("spectrum: cannot read the filter at ^: ^widht>5000 (no field")
    assert run.err.count("\n") == 1
