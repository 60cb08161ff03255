"""How a command line is parted into options and terms; what users of rclip type must work."""

import pytest
import typer

from retrieval.cli.search import SearchCommand, search, separate_terms


@pytest.fixture(scope="module")
def takes_value() -> set[str]:
    """As the command itself knows them."""
    app = typer.Typer()
    app.command(cls=SearchCommand)(search)
    command = typer.main.get_command(app)
    assert isinstance(command, SearchCommand)
    return command.options_with_value()


def test_options_with_a_value_are_known_from_the_command(takes_value: set[str]) -> None:
    assert {"-t", "--top", "-l", "--library", "--encoder", "--format", "--image"} < takes_value
    assert not {"-f", "-0", "--explain", "--exit-status", "-n"} & takes_value


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
def test_terms_are_parted_from_options(
    line: str, options: list[str], terms: list[str], takes_value: set[str]
) -> None:
    assert separate_terms(line.split(), takes_value) == [*options, "--", *terms]
