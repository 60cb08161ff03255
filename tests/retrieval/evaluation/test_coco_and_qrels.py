"""COCO's captions and TREC judgements: what is taken, and one line for what is wrong."""

import json
from pathlib import Path

import pytest

from retrieval.evaluation.coco import read_coco
from retrieval.evaluation.datasets import CaptionDataset, DatasetError, open_dataset
from retrieval.evaluation.qrels import QrelsDataset, read_qrels

IMAGES = [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}]
ANNOTATIONS = [
    {"image_id": 3, "caption": "a cat \n"},
    {"image_id": 7, "caption": "a dog"},
    {"image_id": 3, "caption": "a grey cat"},
]


def coco_file(folder: Path, images: object = IMAGES, annotations: object = ANNOTATIONS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "captions_val2017.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "info": {}}))
    return path


class TestCoco:
    def test_gives_each_image_its_captions(self, tmp_path: Path) -> None:
        dataset = open_dataset(coco_file(tmp_path))
        assert isinstance(dataset, CaptionDataset)
        assert dataset.images == [tmp_path / "b.jpg", tmp_path / "a.jpg"]
        assert dataset.captions == [("a dog",), ("a cat", "a grey cat")]
        assert (dataset.n_without_captions, dataset.n_repeated) == (0, 0)

    def test_counts_images_without_captions_and_repeated_ones(self, tmp_path: Path) -> None:
        images = [*IMAGES, {"id": 9, "file_name": "c.jpg"}]
        dataset = read_coco(coco_file(tmp_path, images, [*ANNOTATIONS, ANNOTATIONS[1]]))
        assert (dataset.n_without_captions, dataset.n_repeated) == (1, 1)
        assert len(dataset.images) == 2

    @pytest.mark.parametrize(
        ("file", "image"),
        [
            ("", "b.jpg"),
            ("", "images/b.jpg"),
            ("", "val2017/b.jpg"),
            ("annotations", "val2017/b.jpg"),
        ],
    )
    def test_finds_the_folder_of_the_images(self, tmp_path: Path, file: str, image: str) -> None:
        (tmp_path / image).parent.mkdir(exist_ok=True)
        (tmp_path / image).touch()
        assert read_coco(coco_file(tmp_path / file)).images[0] == tmp_path / image

    @pytest.mark.parametrize(
        ("images", "annotations", "message"),
        [
            (IMAGES, [], '"annotations" is missing or empty; expected {"images":'),
            (IMAGES, None, '"annotations" is missing or empty'),
            ([], ANNOTATIONS, '"images" is missing or empty'),
            ([{"id": 1}], ANNOTATIONS, 'image 1 has no "id" or "file_name"'),
            ([IMAGES[0], {"id": 7, "file_name": "x.jpg"}], ANNOTATIONS, "image 2 has id 7 again"),
            (IMAGES[:1], ANNOTATIONS, 'annotation 1 is of image 3, which "images" does not list'),
            (IMAGES, [{"caption": "x"}], 'annotation 1 has no "image_id"'),
            (IMAGES, [{"image_id": 7, "caption": " "}], "annotation 1 has no caption or an empty"),
            (IMAGES, [{"image_id": 7, "bbox": [0, 0, 1, 1]}], "annotation 1 is a box, not a cap"),
        ],
    )
    def test_says_what_is_wrong(
        self, tmp_path: Path, images: object, annotations: object, message: str
    ) -> None:
        path = coco_file(tmp_path, images, annotations)
        with pytest.raises(DatasetError) as raised:
            read_coco(path)
        assert str(raised.value).startswith(f"{path}: {message}")
        assert "\n" not in str(raised.value)

    def test_names_the_line_that_is_no_json(self, tmp_path: Path) -> None:
        path = tmp_path / "captions.json"
        path.write_text('{"images": [],\n"annotations": [\n{"image_id": }]}')
        with pytest.raises(DatasetError, match=r"captions\.json, line 3: not JSON \(Expecting va"):
            open_dataset(path)
        path.write_text("[1]")
        with pytest.raises(DatasetError, match=r"captions\.json: not an object; expected"):
            open_dataset(path)
        with pytest.raises(DatasetError, match=r"gone\.json: No such file or directory; give a"):
            open_dataset(tmp_path / "gone.json")

    def test_has_no_splits(self, tmp_path: Path) -> None:
        with pytest.raises(DatasetError, match=r"such a file has no splits; leave --split out$"):
            open_dataset(coco_file(tmp_path), "val")


QRELS = "q1 0 a.jpg 1\nq2 0 b.jpg 2\nq2 0 a.jpg 0\nq2 0 gone.jpg 1\n"
QUERIES = "q1\ta cat\nq2\ta dog\nq3\ta bird\n"


def judged(folder: Path, qrels: str = QRELS, queries: str | None = QUERIES) -> Path:
    for image in ("a.jpg", "b.jpg", "more/c.jpg", ".hidden/d.jpg", "notes.txt"):
        (folder / image).parent.mkdir(exist_ok=True)
        (folder / image).touch()
    (folder / "qrels.txt").write_text(qrels)
    if queries is not None:
        (folder / "queries.tsv").write_text(queries)
    return folder / "qrels.txt"


class TestQrels:
    def test_take_judged_images_and_all_others_of_the_folder(self, tmp_path: Path) -> None:
        judged(tmp_path)
        dataset = open_dataset(tmp_path)
        assert isinstance(dataset, QrelsDataset)
        assert [str(image.relative_to(tmp_path)) for image in dataset.images] == [
            "a.jpg",
            "b.jpg",
            "gone.jpg",
            "more/c.jpg",
        ]
        assert dataset.query_ids == ["q1", "q2", "q3"]
        assert dataset.queries == ["a cat", "a dog", "a bird"]
        assert dataset.grades == [{0: 1}, {1: 2, 2: 1}, {}]
        assert open_dataset(tmp_path / "qrels.txt") == dataset

    def test_of_a_split_have_its_name(self, tmp_path: Path) -> None:
        judged(tmp_path)
        (tmp_path / "qrels.test.txt").write_text("q3 0 more/c.jpg 1\n")
        dataset = open_dataset(tmp_path, "test")
        assert isinstance(dataset, QrelsDataset)
        assert dataset.grades == [{}, {}, {0: 1}]

    def test_spaces_in_names_are_percent_encoded(self, tmp_path: Path) -> None:
        (tmp_path / "my cat.jpg").touch()
        (tmp_path / "50%20.jpg").touch()
        path = judged(tmp_path, "q1 0 my%20cat.jpg 1\nq1 0 50%20.jpg 1\n")
        assert [image.name for image in read_qrels(path).images[:2]] == ["my cat.jpg", "50%20.jpg"]

    def test_queries_as_json_lines(self, tmp_path: Path) -> None:
        path = judged(tmp_path, "1 0 a.jpg 1\n", None)
        (tmp_path / "queries.jsonl").write_text('{"_id": 1, "text": "a cat"}\n\n')
        assert read_qrels(path).queries == ["a cat"]
        (tmp_path / "queries.jsonl").write_text('{"_id": 1, "text": "a cat"}\n{"id"')
        with pytest.raises(DatasetError, match=r"queries\.jsonl, line 2: not JSON; expected quer"):
            read_qrels(path)

    def test_a_judgement_given_twice_counts_once(self, tmp_path: Path) -> None:
        dataset = read_qrels(judged(tmp_path, QRELS + "q1 0 a.jpg 1\n"))
        assert (dataset.grades[0], dataset.n_repeated) == ({0: 1}, 1)

    @pytest.mark.parametrize(
        ("qrels", "message"),
        [
            ("", 'qrels.txt: the file is empty; expected "QUERY 0 IMAGE GRADE"'),
            ("\n \n", "qrels.txt: the file is empty"),
            ("q1 0 a.jpg 1\nq1 0 a.jpg", "qrels.txt, line 2: not a judgement; expected"),
            ("q1 0 a.jpg yes", "qrels.txt, line 1: not a judgement"),
            ("q1 0 a.jpg 1\n\nq9 0 a.jpg 1", "qrels.txt, line 3: query q9 has no text; add it to"),
            ("q1 0 a.jpg 1\nq1 0 a.jpg 0", "qrels.txt, line 2: a.jpg is judged 0 here and 1 bef"),
            ("q1 0 a.jpg 0\nq2 0 a.jpg -1", "qrels.txt: none of 2 judgements is above 0, so no q"),
        ],
    )
    def test_say_what_is_wrong(self, tmp_path: Path, qrels: str, message: str) -> None:
        with pytest.raises(DatasetError) as raised:
            read_qrels(judged(tmp_path, qrels))
        assert str(raised.value).startswith(f"{tmp_path}/{message}")
        assert "\n" not in str(raised.value)

    @pytest.mark.parametrize(
        ("queries", "message"),
        [
            (None, "the qrels have no queries beside them; add queries.tsv"),
            ("", "queries.tsv: the file is empty; expected queries.tsv"),
            ("q1\ta cat\nq2 a dog\n", "queries.tsv, line 2: no query's id or no words"),
            ("q1\ta cat\nq1\ta dog\n", "queries.tsv, line 2: query q1 was another text before"),
        ],
    )
    def test_say_what_is_wrong_with_the_queries(
        self, tmp_path: Path, queries: str | None, message: str
    ) -> None:
        path = judged(tmp_path, queries=queries)
        with pytest.raises(DatasetError) as raised:
            read_qrels(path)
        assert message in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_in_another_encoding_or_absent(self, tmp_path: Path) -> None:
        path = judged(tmp_path)
        path.write_bytes(b"q1 0 \xff.jpg 1\n")
        with pytest.raises(DatasetError, match=r"qrels\.txt: not UTF-8; save it in that encoding"):
            read_qrels(path)
        path.unlink()
        with pytest.raises(DatasetError, match=r"qrels\.txt: No such file or directory; give a qr"):
            open_dataset(path)


def test_line_37_of_a_captions_file_is_named(tmp_path: Path) -> None:
    rows = [json.dumps({"image": f"{n}.jpg", "captions": ["x"]}) for n in range(60)]
    rows[36] = '{"image": "36.jpg", "captions": ["x"'
    (tmp_path / "captions.jsonl").write_text("\n".join(rows))
    with pytest.raises(DatasetError, match=r"captions\.jsonl, line 37: not JSON \(Expecting"):
        open_dataset(tmp_path)


def test_repeated_rows_of_a_captions_file_count_once(tmp_path: Path) -> None:
    row = {"image": "a.jpg", "captions": ["x", "y"]}
    rows = [
        row,
        {"image": "./a.jpg", "captions": ["x", "y"]},
        {"image": "a.jpg", "captions": ["z"]},
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    dataset = open_dataset(tmp_path)
    assert isinstance(dataset, CaptionDataset)
    assert dataset.captions == [("x", "y"), ("z",)]
    assert dataset.n_repeated == 1
