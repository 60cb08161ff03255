"""The page of a report: one HTML file that loads nothing from elsewhere.

jinja2 is imported where it is used; torch brings it.
"""

import dataclasses
import html


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """An SVG element, what it shows in words, and the line below it."""

    svg: str
    alt: str
    """For those who do not see the picture: what can be read off it."""
    caption: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, a paragraph, and what is shown of it."""

    heading: str
    text: str
    pictures: tuple[Picture, ...] = ()
    head: tuple[str, ...] = ()
    """Of the table's columns."""
    rows: tuple[tuple[str, ...], ...] = ()
    folded: str = ""
    """What a fold over the table says; empty: the table is open."""


TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark; --paper: #ffffff; --ink: #22222a; --faint: #74747f;
  --clean: #2166ac; --augmented: #35978f; --drunk: #8856a7; --mismatch: #9a7b1c; --void: #d6604d; }
@media (prefers-color-scheme: dark) { :root { --paper: #16161b; --ink: #e6e6ec; --faint: #92929e;
  --clean: #74b2e8; --augmented: #62c4bb; --drunk: #c09ae0; --mismatch: #d4b552; --void: #f08b78; }
}
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--paper); color: var(--ink); }
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
.pictures { display: grid; gap: 1.2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.wide { max-width: 44rem; }
figure { margin: 0; } figcaption { margin-top: .2rem; }
svg { width: 100%; height: auto; } svg text { font-family: system-ui, sans-serif !important; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .7rem .25rem 0; text-align: left;
  vertical-align: top; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
th[scope=row] { font-weight: normal; }
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ lead }}</p>
{% for section in sections %}
<section>
<h2>{{ section.heading }}</h2>
<p>{{ section.text }}</p>
{% if section.pictures %}
<div class="{{ 'pictures' if section.pictures | length > 1 else 'wide' }}">
{% for picture in section.pictures %}
<figure>{{ described(picture) }}<figcaption>{{ picture.caption }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}
{% if section.rows %}
{% if section.folded %}<details><summary>{{ section.folded }}</summary>{% endif %}
<div class="scroll"><table>
<thead><tr>{% for cell in section.head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in section.rows %}
<tr><th scope="row">{{ row[0] }}</th>{% for cell in row[1:] %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div>
{% if section.folded %}</details>{% endif %}
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
"""


def page(title: str, lead: str, sections: tuple[Section, ...]) -> str:
    """The whole page as HTML; all text is escaped."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def described(picture: Picture) -> Markup:
        label = html.escape(picture.alt)
        return Markup(picture.svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))

    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(TEMPLATE)
    return template.render(title=title, lead=lead, sections=sections, described=described)
