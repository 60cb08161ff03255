"""Documentation as a tested property: commands, flags, codes and links are what they say."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from retrieval.cli import main as command_line
from retrieval.cli.exits import Exit
from retrieval.cli.search import separate_terms

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.fixture(scope="module")
def commands() -> dict[str, list[str]]:
    """Command -> its long flags, as the parser knows them."""
    if not command_line.app.registered_commands:
        command_line._add_commands()
    group = typer.main.get_command(command_line.app)
    found: dict[str, list[str]] = {}

    def collect(prefix: str, command: object) -> None:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                collect(f"{prefix} {name}".strip(), child)
        else:
            found[prefix] = [
                option
                for parameter in command.params  # type: ignore[attr-defined]
                for option in parameter.opts
                if option.startswith("--") and not getattr(parameter, "hidden", False)
            ]

    collect("", group)
    return found


def test_every_command_is_documented_and_helps(commands: dict[str, list[str]]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    assert {"index", "search", "similar", "status", "eval", "demo"} <= commands.keys()
    for command in commands:
        assert command in page, f"docs/commands.md does not speak of '{command}'"


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    for code in Exit:
        assert f"| {int(code)} |" in page


def test_every_flag_that_a_page_shows_exists(commands: dict[str, list[str]]) -> None:
    flags = {flag for known in commands.values() for flag in known}
    flags |= {"--help", "--debug", "--version", "--add", "--subtract", "--sub", "--no-indexing"}
    for page in PAGES:
        for command in re.findall(r"^(?:\$ )?spectrum (.+)$", page.read_text(), re.MULTILINE):
            for flag in re.findall(r"(?<!\S)--[a-z][a-z-]*", command):
                assert flag in flags, f"{page.name}: {flag} in 'spectrum {command}'"


def test_commands_that_pages_show_are_parsed(commands: dict[str, list[str]]) -> None:
    for line in re.findall(r"^(?:\$ )?spectrum (.+)$", (ROOT / "README.md").read_text(), re.M):
        words = shlex.split(re.split(r"\s[|#]", line)[0], comments=True)
        assert words[0] in commands, line
        if words[0] == "search":
            assert separate_terms(words[1:], {"-t", "-l"})[-1] != "--", f"no terms in '{line}'"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_page_or_source_names_a_private_place() -> None:
    """Paths of the machine it was made on mean nothing to a reader."""
    for page in PAGES:
        assert not re.search(r"(?<![\w./])/(root|work|home/\w+)/", page.read_text()), page
