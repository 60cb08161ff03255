"""Reading labelled images: what is taken, what is skipped, and one line for what is wrong."""

import json
from pathlib import Path

import pytest

from retrieval.evaluation.datasets import (
    CaptionDataset,
    ClassDataset,
    DatasetError,
    open_dataset,
    read_captions,
    read_class_folders,
)

ROWS = [
    {"image": "images/b.jpg", "split": "train", "captions": ["a dog", "a brown dog"]},
    {"image": "images/a.jpg", "split": "test", "captions": ["a cat"]},
    {"image": "images/c.jpg", "split": "train", "captions": [], "objects": [{"category": "dog"}]},
    {"image": "images/d.jpg", "split": "train", "objects": []},
]


def captions_file(folder: Path, *rows: object) -> Path:
    """Writes one row per line; text is written as it is."""
    path = folder / "captions.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def images_at(folder: Path, *names: str) -> Path:
    """Makes empty files, and the folders above them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


class TestReadCaptions:
    def test_takes_rows_in_file_order_and_counts_those_without_captions(
        self, tmp_path: Path
    ) -> None:
        dataset = read_captions(captions_file(tmp_path, *ROWS))
        assert dataset.images == [tmp_path / "images/b.jpg", tmp_path / "images/a.jpg"]
        assert dataset.captions == [("a dog", "a brown dog"), ("a cat",)]
        assert dataset.n_without_captions == 2

    def test_takes_one_split_and_counts_only_there(self, tmp_path: Path) -> None:
        path = captions_file(tmp_path, *ROWS)
        assert read_captions(path, "test") == CaptionDataset(
            images=[tmp_path / "images/a.jpg"], captions=[("a cat",)], n_without_captions=0
        )
        assert read_captions(path, "train").n_without_captions == 2

    def test_images_are_absolute_for_a_relative_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        captions_file(tmp_path, {"image": "../elsewhere/a.jpg", "captions": ["x"]})
        monkeypatch.chdir(tmp_path)
        assert read_captions(Path("captions.jsonl")).images == [tmp_path.parent / "elsewhere/a.jpg"]

    def test_ignores_blank_lines_and_a_byte_order_mark(self, tmp_path: Path) -> None:
        row = json.dumps({"image": "a.jpg", "captions": ["um café"]}, ensure_ascii=False)
        other = json.dumps({"image": "b.jpg", "captions": ["x"]})
        path = captions_file(tmp_path, "\ufeff" + row, "", "  ", other)
        assert read_captions(path).captions == [("um café",), ("x",)]

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            ("{'image': 1}", "not JSON (Expecting property name enclosed in double quotes)"),
            ('{"image": "a.jpg", "captions": ["x"]', "not JSON (Expecting ',' delimiter)"),
            ("[" * 100_000, "not JSON (RecursionError)"),
            ("[]", "not an object"),
            ({"captions": ["x"]}, 'no "image"'),
            ({"image": "", "captions": ["x"]}, 'no "image"'),
            ({"image": ["a.jpg"], "captions": ["x"]}, 'no "image"'),
            ({"image": "a.jpg", "captions": "x"}, '"captions" is not a list'),
            ({"image": "a.jpg", "captions": ["x", " "]}, '"captions" holds an empty caption'),
            ({"image": "a.jpg", "captions": ["x", 3]}, '"captions" holds an empty caption'),
            ({"image": "a.jpg", "captions": ["x"], "split": 1}, '"split" is not text'),
        ],
    )
    def test_names_file_and_line_of_a_bad_row(
        self, tmp_path: Path, bad: object, message: str
    ) -> None:
        path = captions_file(tmp_path, ROWS[0], bad, ROWS[1])
        with pytest.raises(DatasetError) as raised:
            read_captions(path, "test")
        assert str(raised.value).startswith(f"{path}, line 2: {message}")
        assert "\n" not in str(raised.value)

    def test_text_in_another_encoding_is_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "captions.jsonl"
        path.write_bytes('{"image": "a.jpg", "captions": ["café"]}\n'.encode("latin-1"))
        with pytest.raises(DatasetError, match=r", line 1: not JSON \(UnicodeDecodeError\);"):
            read_captions(path)

    def test_an_unknown_split_is_answered_with_those_that_exist(self, tmp_path: Path) -> None:
        path = captions_file(tmp_path, *ROWS)
        with pytest.raises(DatasetError) as raised:
            read_captions(path, "tset")
        assert str(raised.value) == f"{path}: no split 'tset'; it has: test, train"

    def test_a_split_of_a_file_without_splits(self, tmp_path: Path) -> None:
        path = captions_file(tmp_path, {"image": "a.jpg", "captions": ["x"]})
        with pytest.raises(DatasetError, match=r"no split 'test'; it has: none$"):
            read_captions(path, "test")

    def test_a_file_without_captions_says_what_was_expected(self, tmp_path: Path) -> None:
        path = captions_file(tmp_path, {"image": "a.jpg", "caption": ["x"]})
        with pytest.raises(DatasetError, match=r'none of 1 rows has captions; expected {"image":'):
            read_captions(path)

    def test_an_empty_file(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"captions\.jsonl: the file is empty; expected"):
            read_captions(captions_file(tmp_path))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"a\.jsonl: No such file or directory; give a"):
            read_captions(tmp_path / "a.jsonl")


class TestReadClassFolders:
    def test_labels_images_by_folder(self, tmp_path: Path) -> None:
        images_at(tmp_path, "t-shirt/2.jpg", "t-shirt/1.PNG", "long_sleeve/3.jpeg")
        dataset = read_class_folders(tmp_path)
        assert dataset.class_names == ["long sleeve", "t shirt"]
        assert dataset.images == [
            tmp_path / "long_sleeve/3.jpeg",
            tmp_path / "t-shirt/1.PNG",
            tmp_path / "t-shirt/2.jpg",
        ]
        assert dataset.labels == [0, 1, 1]
        assert dataset.queries == ["a photo of a long sleeve", "a photo of a t shirt"]
        assert dataset.n_empty_folders == 0

    def test_ignores_hidden_files_other_files_and_folders_without_images(
        self, tmp_path: Path
    ) -> None:
        images_at(tmp_path, "a/1.jpg", "a/._1.jpg", "a/notes.txt", "b/2.jpg", "b/deep/3.jpg")
        images_at(tmp_path, ".cache/4.jpg", "empty/readme.md", "loose.jpg")
        (tmp_path / "a" / "folder.jpg").mkdir()
        dataset = read_class_folders(tmp_path)
        assert dataset.images == [tmp_path / "a/1.jpg", tmp_path / "b/2.jpg"]
        assert dataset.n_empty_folders == 1

    def test_takes_the_suffixes_of_the_caller(self, tmp_path: Path) -> None:
        images_at(tmp_path, "a/1.jpg", "a/1.dng", "b/2.DNG")
        dataset = read_class_folders(tmp_path, suffixes={".dng"})
        assert dataset.images == [tmp_path / "a/1.dng", tmp_path / "b/2.DNG"]

    def test_folders_that_ask_the_same_query_are_one_class(self, tmp_path: Path) -> None:
        images_at(tmp_path, "red-shoe/1.jpg", "red_shoe/2.jpg", "hat/3.jpg")
        dataset = read_class_folders(tmp_path)
        assert dataset.class_names == ["hat", "red shoe"]
        assert dataset.labels == [0, 1, 1]

    def test_a_folder_of_dashes_keeps_its_name(self, tmp_path: Path) -> None:
        images_at(tmp_path, "--/1.jpg", "a/2.jpg")
        assert read_class_folders(tmp_path).class_names == ["--", "a"]

    def test_one_class_is_refused(self, tmp_path: Path) -> None:
        images_at(tmp_path, "a/1.jpg", "b/notes.txt")
        with pytest.raises(DatasetError) as raised:
            read_class_folders(tmp_path)
        assert str(raised.value) == (
            f"{tmp_path}: 1 of its folders (a, b) directly hold images and at least 2 are needed; "
            "give a folder of class folders, or name a split"
        )

    def test_many_folders_are_not_all_listed(self, tmp_path: Path) -> None:
        for number in range(13):
            (tmp_path / f"f{number:02}").mkdir()
        with pytest.raises(DatasetError, match=r"\(f00, .*, f09, and 3 more\)"):
            read_class_folders(tmp_path)

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(
            DatasetError, match=r"nowhere: No such file or directory; give a folder"
        ):
            read_class_folders(tmp_path / "nowhere")


class TestOpenDataset:
    def test_a_file_or_the_folder_it_lies_in_is_a_caption_dataset(self, tmp_path: Path) -> None:
        path = captions_file(tmp_path, *ROWS)
        by_file = open_dataset(path, "test")
        assert isinstance(by_file, CaptionDataset)
        assert open_dataset(tmp_path, "test") == by_file

    def test_any_other_folder_is_classes_and_its_splits_are_folders(self, tmp_path: Path) -> None:
        images_at(tmp_path, "test/a/1.jpg", "test/b/2.jpg", "train/a/3.jpg", "train/b/4.jpg")
        dataset = open_dataset(tmp_path, "train")
        assert isinstance(dataset, ClassDataset)
        assert dataset.images == [tmp_path / "train/a/3.jpg", tmp_path / "train/b/4.jpg"]
        assert open_dataset(tmp_path / "train") == dataset
        with pytest.raises(DatasetError, match=r"no split 'val'; it has: test, train$"):
            open_dataset(tmp_path, "val")
        with pytest.raises(DatasetError, match=r"0 of its folders \(test, train\) directly hold"):
            open_dataset(tmp_path)

    def test_passes_the_suffixes_on(self, tmp_path: Path) -> None:
        images_at(tmp_path, "a/1.dng", "b/2.dng", "b/2.jpg")
        dataset = open_dataset(tmp_path, suffixes={".dng"})
        assert [image.name for image in dataset.images] == ["1.dng", "2.dng"]

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"gone: No such file or directory; give a captions"):
            open_dataset(tmp_path / "gone")


DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not on this machine")
class TestRealData:
    def test_flickr8k_dev(self) -> None:
        dataset = open_dataset(DATA / "flickr8k", "dev")
        assert isinstance(dataset, CaptionDataset)
        assert len(dataset.images) == 1000
        assert sum(len(captions) for captions in dataset.captions) == 5000
        assert all(image.is_file() for image in dataset.images)

    def test_coco_rows_that_hold_only_boxes_are_counted(self) -> None:
        dataset = open_dataset(DATA / "coco_boxes" / "captions.jsonl")
        assert isinstance(dataset, CaptionDataset)
        assert (len(dataset.images), dataset.n_without_captions) == (80, 229)

    def test_clothing_validation(self) -> None:
        dataset = open_dataset(DATA / "clothing", "validation")
        assert isinstance(dataset, ClassDataset)
        assert (len(dataset.images), len(dataset.class_names)) == (300, 10)
        assert "a photo of a t shirt" in dataset.queries
