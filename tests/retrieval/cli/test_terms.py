"""How a command line is parted into options and terms; what users of rclip type must work."""

import pytest

from retrieval.cli.search import separate_terms


@pytest.mark.parametrize(
    ("line", "options", "terms"),
    [
        ("cat", [], ["cat"]),
        ("cat -t 3 -f", ["-t", "3", "-f"], ["cat"]),
        ("cat -t3", ["-t3"], ["cat"]),
        ("-t 3 cat --top 4", ["-t", "3", "--top", "4"], ["cat"]),
        ("cat --top=4", ["--top=4"], ["cat"]),
        ("horse + stripes", [], ["horse", "+stripes"]),
        ("horse +stripes", [], ["horse", "+stripes"]),
        ("apple - fruit", [], ["apple", "-fruit"]),
        ("apple -fruit", [], ["apple", "-fruit"]),
        ("apple -fruit -f", ["-f"], ["apple", "-fruit"]),
        ("apple -tree", [], ["apple", "-tree"]),
        ("apple --add red --subtract green", [], ["apple", "+red", "-green"]),
        ("apple -a red -s green --sub=blue", [], ["apple", "+red", "-green", "-blue"]),
        ("2:cat + 0.5:./image.jpg - 3:dog", [], ["2:cat", "+0.5:./image.jpg", "-3:dog"]),
        ("-- -t", [], ["-t"]),
        ("cat -0 --format json", ["-0", "--format", "json"], ["cat"]),
        ("cat +", [], ["cat", "+"]),
        ("cat -t", ["-t"], ["cat"]),
        ("--library x -l y cat", ["--library", "x", "-l", "y"], ["cat"]),
        ("--image a.jpg -i b.jpg", ["--image", "a.jpg", "-i", "b.jpg"], []),
    ],
)
def test_terms_are_parted_from_options(line: str, options: list[str], terms: list[str]) -> None:
    assert separate_terms(line.split()) == [*options, "--", *terms]
