"""The main job in a process of its own, with sockets blocked: no download, and no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

# What a sandbox without a network does: nothing can be connected to, no name be resolved.
WITHOUT_NETWORK = """
import socket, sys

def refuse(*arguments, **options):
    raise OSError("the network is blocked")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from retrieval.cli.main import main

try:
    main()
finally:
    heavy = {"torch", "transformers", "open_clip", "scipy", "PIL"} & set(sys.modules)
    print("imported:", *sorted(heavy), file=sys.stderr)
"""


def spectrum(
    home: Path, *arguments: object, encoding: str = "utf-8"
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "SPECTRUM_LIBRARY"}
    environment |= {"XDG_CACHE_HOME": str(home / "cache"), "XDG_DATA_HOME": str(home / "data")}
    environment["PYTHONIOENCODING"] = encoding
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK, *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    home = tmp_path_factory.mktemp("home")
    return home, spectrum(home, "demo", home / "demo", "--scenes", 24)


def test_the_demo_needs_no_network(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, done = demo
    assert done.returncode == 0, done.stderr
    assert "text_to_image" in done.stdout
    assert str(home / "demo") in done.stdout, "hits are shown with their paths"
    assert "imported: PIL scipy" in done.stderr


def test_words_import_neither_torch_nor_pillow(
    demo: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    home, _ = demo
    (library,) = (home / "demo").glob("scenes-24-*.library")
    done = spectrum(home, "search", "a red ball", "--format", "json", "-l", library)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["hits"]) == 10
    assert answer["n_searched"] == 24
    assert done.stderr.strip() == "imported:"


def test_a_terminal_that_knows_few_letters(
    demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    home, _ = demo
    example = next((home / "demo" / "scenes-24" / "images").iterdir())
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "caf\u00e9 [bold].jpg").write_bytes(example.read_bytes())
    library = tmp_path / "l"
    assert spectrum(tmp_path, "index", tmp_path / "p", "-l", library).returncode == 0
    for format in ("table", "csv"):
        done = spectrum(
            tmp_path, "search", "x", "-l", library, "--format", format, encoding="ascii"
        )
        assert done.returncode == 0, done.stderr
        assert "caf\\xe9 [bold].jpg" in done.stdout


def test_an_absent_model_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for encoder in ("open_clip:ViT-B-32/laion2b_s34b_b79k", "hf:google/siglip-base-patch16-224"):
        done = spectrum(
            tmp_path, "index", tmp_path / "p", "-l", tmp_path / "l", "--encoder", encoder
        )
        assert done.returncode == 5, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("spectrum: ")]
        assert "Traceback" not in done.stderr
        assert encoder.split("/")[-1] in line or "ViT-B-32" in line
