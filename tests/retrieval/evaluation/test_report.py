"""The page: what it says, that it needs nothing from elsewhere, and that a browser agrees."""

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from retrieval import Library
from retrieval.evaluation import run as evaluation_run
from retrieval.evaluation.compare import compare
from retrieval.evaluation.confusions import confusion_table
from retrieval.evaluation.datasets import CaptionDataset, ClassDataset
from retrieval.evaluation.directions import image_to_image, text_to_image
from retrieval.evaluation.hardest import hardest
from retrieval.evaluation.page import Section, page
from retrieval.evaluation.plots import recall_curve
from retrieval.evaluation.report import rejection_page, rejection_section, write_report
from retrieval.evaluation.run import Report, evaluate
from retrieval.evaluation.searches import Item
from retrieval.evaluation.thumbnails import SIDE_PIXELS, thumbnail
from retrieval.evaluation.vectors import Compared
from tests.stand_ins import COLOURS, ColourEncoder

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Tags(HTMLParser):
    """The tags and attributes of a page, and all of its text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def captions(library: Library, pictures: Path) -> CaptionDataset:
    """Each picture by its colour; but white is called red, and so found last."""
    library.index(pictures)
    return CaptionDataset(
        images=[pictures / f"{colour}.png" for colour in COLOURS],
        captions=[("red & <b>red</b>",) if c == "white" else (c,) for c in COLOURS],
        n_without_captions=2,
    )


@pytest.fixture
def written(library: Library, captions: CaptionDataset, tmp_path: Path) -> str:
    path = tmp_path / "page.html"
    write_report(evaluate(library, captions, name="colours"), path)
    return path.read_text(encoding="utf-8")


class TestPage:
    def test_says_how_good_the_search_is(self, written: str) -> None:
        text = Tags(written).text
        assert "Measured on colours: 5 pictures, encoder colours." in text
        assert "80.0 %" in text  # four of five captions find their picture
        assert "From words to a picture" in text
        assert "5 texts was searched for among 5 pictures" in text
        assert "2 images have no caption and were left out" in text

    def test_shows_the_hardest_query_with_its_pictures(self, written: str) -> None:
        page_of = Tags(written)
        assert "“red & <b>red</b>”" in page_of.text
        assert "The right answer came at place" in page_of.text
        images = [attributes for tag, attributes in page_of.tags if tag == "img"]
        assert "white.png" in [attributes["alt"] for attributes in images]
        assert all(str(a["src"]).startswith("data:image/jpeg;base64,") for a in images)

    def test_needs_nothing_from_elsewhere_and_runs_nothing(self, written: str) -> None:
        tags = Tags(written).tags
        assert not {tag for tag, _ in tags} & {"script", "iframe", "object", "embed", "base"}
        for tag, attributes in tags:
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                if name in ("src", "href", "xlink:href", "action", "srcset"):
                    assert str(value).startswith(("data:", "#")), (tag, name, value)
        assert "@import" not in written
        assert set(re.findall(r"url\((.)", written)) <= {"#"}

    def test_ids_are_unique_and_referred_to(self, written: str) -> None:
        ids = [a["id"] for _, a in Tags(written).tags if "id" in a]
        assert len(ids) == len(set(ids))
        used = re.findall(r'url\(#([^)]+)\)|(?:href|describedby)="#?([^":]+)"', written)
        assert {first or second for first, second in used} <= set(ids)

    def test_every_plot_is_said_in_words(self, written: str) -> None:
        drawings = [attributes for tag, attributes in Tags(written).tags if tag == "svg"]
        assert len(drawings) == 2  # five queries are too few for a histogram
        for attributes in drawings:
            assert attributes["role"] == "img"
            assert "80 % of queries are answered at rank 1" in str(attributes["aria-label"])

    def test_takes_colours_from_the_page(self, written: str) -> None:
        drawn = "".join(re.findall(r"<svg.*?</svg>", written, re.DOTALL))
        assert "var(--right)" in drawn
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == set()

    def test_a_run_before_stands_beside(
        self, library: Library, captions: CaptionDataset, tmp_path: Path
    ) -> None:
        import json

        report = evaluate(library, captions, name="colours")
        run = tmp_path / "run.json"
        run.write_text(json.dumps(report.as_json()))
        of = report.directions["text_to_image"]
        named = {"text_to_image": ([query.identity for query in of.queries], of.ranked)}
        write_report(report, tmp_path / "page.html", against=compare(named, run))
        text = Tags((tmp_path / "page.html").read_text()).text
        assert "difference, points" in text
        assert f"The earlier run is {run}, encoder colours" in text

    def test_refined_vectors_stand_beside_the_unrefined(
        self,
        library: Library,
        captions: CaptionDataset,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def turned(library: Library, ids: np.ndarray, *, held_out: object = None) -> Compared:
            base = evaluation_run.base_vectors(library, ids)
            return base._replace(vectors=-base.vectors, refined=True)

        monkeypatch.setattr(evaluation_run, "ranked_vectors", turned)
        report = evaluate(library, captions, name="colours")
        said = report.as_json()
        assert said["baseline"]["text_to_image"]["hit@1"]["value"] == 0.8
        assert said["text_to_image"]["hit@1"]["value"] < 0.5
        write_report(report, tmp_path / "page.html")
        text = Tags((tmp_path / "page.html").read_text()).text
        assert "unrefined vectors" in text
        assert "80.0 %" in text

    def test_text_is_escaped_wherever_it_comes_from(self) -> None:
        nasty = "<script>alert(1)</script>"
        written = page(nasty, nasty, [Section(heading=nasty, text=nasty)], [nasty])
        assert "script" not in {tag for tag, _ in Tags(written).tags}
        assert Tags(written).text.count(nasty) == 6


def items(*classes: str) -> list[Item]:
    return [Item(name=f"{n}", class_name=name) for n, name in enumerate(classes)]


class TestParts:
    def test_hardest_are_the_worst_of_each_image(self) -> None:
        images = np.eye(4, dtype=np.float32)
        texts = np.array(
            [[4, 3, 2, 1], [3, 4, 2, 1], [4, 3, 2, 1], [1, 2, 3, 4], [9, 1, 1, 1]], np.float32
        )
        # Ranks: 1, 2 (of image 0); 2 (of 1); 4 (of 0); the last one's image was never read.
        of = text_to_image(images, texts, np.array([0, 0, 1, 0, -1]))
        assert hardest(of) == [3, 2]
        assert hardest(of, 1) == [3]

    def test_confusions_are_shares_of_each_row(self) -> None:
        vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [1, 0]], np.float32)
        of = image_to_image(
            vectors, np.eye(2, dtype=np.float32), np.array([0, 0, 1, 1]), np.arange(2)
        )
        table = confusion_table(items("cat", "cat", "dog", "dog"), items("cat", "dog"), of)
        assert table is not None
        assert table.rows == (("cat", "100", "·"), ("dog", "50", "50"))
        assert table.head[1:] == ("cat", "dog")

    def test_of_many_classes_the_most_frequent_confusions_are_listed(self) -> None:
        names = [f"c{n}" for n in range(20)]
        vectors = np.eye(20, dtype=np.float32)
        wrong = np.roll(vectors, 1, axis=1)
        of = image_to_image(wrong, vectors, np.arange(20), np.arange(20))
        table = confusion_table(items(*names), items(*names), of)
        assert table is not None
        assert table.rows[0] == ("c0", "c1", "1 of 1")

    def test_captions_have_no_confusions(self) -> None:
        one = np.eye(1, dtype=np.float32)
        of = text_to_image(one, one, np.array([0]))
        assert (
            confusion_table([Item(name="q", text="x")], [Item(name="i", path="i.jpg")], of) is None
        )

    def test_a_thumbnail_is_small_and_of_a_lost_file_empty(self, tmp_path: Path) -> None:
        import base64
        import io

        Image.new("RGB", (600, 300), "red").save(tmp_path / "a.png")
        head, data = thumbnail(str(tmp_path / "a.png")).split(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (
            SIDE_PIXELS,
            SIDE_PIXELS // 2,
        )
        assert thumbnail(str(tmp_path / "gone.png")) == ""

    def test_the_curve_says_its_figures(self) -> None:
        plot = recall_curve(np.array([1.0, 3.0, 40.0, np.inf]), None, 100, name="x")
        assert (
            "25 of 100 queries have a right answer as the very first hit, 50 among" in plot.caption
        )


def rejection_example(path: Path) -> str:
    generator = np.random.default_rng(0)
    known, confidence = generator.normal(1, 0.5, 200), generator.random(200)
    rejection_page(
        "Rejection",
        "",
        [
            rejection_section(
                known=known,
                unknown={"textures": generator.normal(-1, 0.5, 90), "noise": np.full(10, -3.0)},
                threshold=0.0,
                confidence=confidence,
                correct=confidence > 0.3,
                rivals={"max cosine": (1 - confidence, confidence > 0.3)},
            )
        ],
        path,
    )
    return path.read_text()


def test_rejection_is_told_from_plain_arrays(tmp_path: Path) -> None:
    page_of = Tags(rejection_example(tmp_path / "r.html"))
    for said in ("200 queries that the library can answer", "textures", "all of them", "AURC"):
        assert said in page_of.text
    assert sum(tag == "svg" for tag, _ in page_of.tags) == 3
    with pytest.raises(ValueError, match=r"^no scores of known queries"):
        rejection_section(known=np.zeros(0), unknown={"x": np.zeros(3)})


class Visit(NamedTuple):
    """What a browser did with a page."""

    console: list[str]
    requests: list[str]
    title: str


@pytest.fixture
def recorder() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """A server of this machine that every host name leads to: its address, pages and requests."""
    pages: dict[str, bytes] = {}
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.headers.get("Host", "") + self.path)
            body = pages.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", pages, requests
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine: apt install chromium")
class TestInABrowser:
    @pytest.fixture
    def visit(self, recorder: tuple[str, dict[str, bytes], list[str]], tmp_path: Path) -> Any:
        address, pages, requests = recorder

        def look(source: str) -> Visit:
            pages["/page"] = source.encode()
            assert CHROMIUM is not None
            done = subprocess.run(
                [
                    CHROMIUM,
                    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                    *("--disable-background-networking", "--disable-component-update"),
                    *("--disable-sync", "--disable-quic", "--enable-logging=stderr"),
                    "--disable-features=NetworkTimeServiceQuerying",
                    f"--user-data-dir={tmp_path / 'profile'}",
                    f"--host-resolver-rules=MAP * {address}",
                    "--virtual-time-budget=3000",
                    "--dump-dom",
                    f"http://{address}/page",
                ],
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )
            lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
            found = re.search(r"<title>(.*?)</title>", done.stdout)
            return Visit(lines, list(requests), found[1] if found else "")

        return look

    def test_opens_without_an_error_and_without_asking_for_anything(
        self, visit: Any, written: str
    ) -> None:
        seen = visit(written)
        assert seen.title == "How good is the search?"
        assert seen.console == []
        assert [request.split("/", 1)[1] for request in seen.requests] == ["page"]

    def test_so_does_the_page_of_rejection(self, visit: Any, tmp_path: Path) -> None:
        seen = visit(rejection_example(tmp_path / "r.html"))
        assert (seen.title, seen.console) == ("Rejection", [])
        assert len(seen.requests) == 1

    def test_a_page_that_errs_and_asks_would_be_noticed(self, visit: Any) -> None:
        seen = visit(
            "<!doctype html><title>x</title><img src='http://elsewhere.example/a.png'>"
            "<script>console.error('oh')</script>"
        )
        assert any("oh" in line for line in seen.console)
        assert "elsewhere.example/a.png" in seen.requests


def test_of_classes_says_which_are_taken_for_which(
    library: Library, tmp_path: Path, paint: Any, encoder: ColourEncoder
) -> None:
    images, labels = [], []
    for label, colour in enumerate(("red", "blue")):
        for n in range(6):
            images.append(paint(tmp_path / "c" / colour / f"{n}.png", colour, size=(40 + n, 30)))
            labels.append(label)
    library.index(tmp_path / "c")
    dataset = ClassDataset(
        images=images, labels=labels, class_names=["red", "blue"], n_empty_folders=0
    )
    report: Report = evaluate(library, dataset, name="classes")
    write_report(report, tmp_path / "page.html")
    text = Tags((tmp_path / "page.html").read_text()).text
    assert "From a picture to others of its kind" in text
    assert "asked for ↓, found →" in text
    assert "No query failed: each has a right answer as its first hit" in text
