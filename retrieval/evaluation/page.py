"""The page of an evaluation: one HTML file that loads nothing, runs nothing, and prints well.

jinja2 is imported where it is used; the extra `report` brings it.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Plot:
    """An SVG element, what can be read off it in words, and a sentence that says what it shows."""

    svg: str
    alt: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under a head; the first cell of a row names it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    """A sentence that says how to read it."""
    shares: tuple[tuple[float, ...], ...] = ()
    """How dark each cell but the first is, from 0 to 1; empty: no cell is."""
    words_last: bool = False
    """Whether the last column holds sentences, and not figures."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A thumbnail as a data URI, empty where the file cannot be read, and the words below it."""

    source: str
    label: str
    right: bool | None = None
    """Whether it answers the query; None: it is the query or what was wanted."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One query that went wrong: what was asked, what was wanted, what came first."""

    asked: str
    """The words, empty for an image."""
    verdict: str
    """How it went, in words."""
    wanted: tuple[Picture, ...]
    wanted_title: str
    wanted_texts: tuple[str, ...]
    came: tuple[Picture, ...]
    came_texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that one should see first: 57 %, its interval, and what it says."""

    number: str
    interval: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, a paragraph, and what is shown of it."""

    heading: str
    text: str
    figures: tuple[Figure, ...] = ()
    plots: tuple[Plot, ...] = ()
    tables: tuple[Table, ...] = ()
    cases: tuple[Case, ...] = ()
    cases_title: str = ""


def page(title: str, lead: str, sections: Sequence[Section], notes: Sequence[str] = ()) -> str:
    """The whole page as HTML; all text is escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def described(plot: Plot) -> Markup:
        label = html.escape(plot.alt)
        return Markup(plot.svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))

    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(Path(__file__).with_name("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        title=title, lead=lead, sections=sections, notes=notes, described=described
    )
