"""`spectrum search`: words, images, and both, added and subtracted."""

import itertools
import re
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperOption

from retrieval.cli.exits import Exit
from retrieval.cli.options import (
    DuplicatesOption,
    EncoderOption,
    ExitStatusOption,
    ExplainOption,
    FalseRejectOption,
    Format,
    FormatOption,
    LibraryOption,
    NulOption,
    PathsOnlyOption,
    TopOption,
    WhereOption,
    chosen_format,
)

if TYPE_CHECKING:
    from retrieval.query import Query
    from retrieval.ranking.protocol import Kind

# What a single dash may start and still be an option: one letter, or -t with its number.
SHORT_OPTION = re.compile(r"-([a-zA-Z0]|t\d+)")
TAKES_TERM = {"-a": "+", "--add": "+", "-s": "-", "--subtract": "-", "--sub": "-"}


def separate_terms(arguments: list[str], takes_value: Collection[str]) -> list[str]:
    """Rewrites a command line so that `-dog` and `- dog` are terms, not options.

    `takes_value` names the options whose value is the next argument.
    Signed terms are moved behind `--`, in order with the others. `--add X` and `--subtract X`,
    which users of rclip know, are `+X` and `-X`. Short options cannot be joined (`-ft 5`): a dash
    with several letters is a word to subtract.
    """
    options: list[str] = []
    terms: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--":
            terms.extend(rest)
        elif argument in ("+", "-"):
            terms.append(argument + next(rest, ""))
        elif name in TAKES_TERM and (equals or argument in TAKES_TERM):
            terms.append(TAKES_TERM[name] + (value if equals else next(rest, "")))
        elif argument in takes_value:
            options += [argument, *itertools.islice(rest, 1)]
        elif argument.startswith("--") or SHORT_OPTION.fullmatch(argument):
            options.append(argument)
        else:
            terms.append(argument)
    return [*options, "--", *terms]


class SearchCommand(TyperCommand):
    """A command whose terms may start with a dash."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, separate_terms(args, self.options_with_value()))

    def options_with_value(self) -> set[str]:
        """Every name of an option that is no flag."""
        options = [param for param in self.params if isinstance(param, TyperOption)]
        return {name for option in options if not option.is_flag for name in option.opts}


def search(
    terms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TERM",
            help="Words; ./image.jpg; +words or -words; 2:words for a weight. Bare words that"
            " follow one another are one text.",
            show_default=False,
        ),
    ] = None,
    top: TopOption = 10,
    image: Annotated[
        Path | None,
        typer.Option("--image", "-i", metavar="FILE", help="An image to resemble, as ./FILE is."),
    ] = None,
    where: WhereOption = None,
    duplicates: DuplicatesOption = False,
    paths_only: PathsOnlyOption = False,
    format: FormatOption = Format.TABLE,
    nul: NulOption = False,
    explain: ExplainOption = False,
    exit_status: ExitStatusOption = False,
    false_reject: FalseRejectOption = 0.05,
    no_reject: Annotated[
        bool,
        typer.Option("--no-reject", envvar="SPECTRUM_NO_REJECT", help="Never say: nothing here."),
    ] = False,
    show_rejected: Annotated[
        bool,
        typer.Option(
            "--show-rejected",
            envvar="SPECTRUM_SHOW_REJECTED",
            help="Show the nearest pictures also of a refused query, and weak hits.",
        ),
    ] = False,
    ranking: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="spectrum; or by the encoder's own vectors: raw, alpha-qe, superglobal.",
        ),
    ] = "spectrum",
    intent: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            envvar="SPECTRUM_INTENT",
            help="What of the image counts, or should differ: 'the same shape, but red'.",
            show_default=False,
        ),
    ] = "",
    intent_strength: Annotated[
        float,
        typer.Option(
            "--intent-strength",
            envvar="SPECTRUM_INTENT_STRENGTH",
            metavar="D",
            min=0,
            max=10,
            help="How far the intent moves the query; 0: not at all.",
        ),
    ] = 1.0,
    no_indexing: Annotated[
        bool, typer.Option("--no-indexing", "-n", hidden=True, help="As rclip has it: no effect.")
    ] = False,
    library: LibraryOption = None,
    encoder: EncoderOption = None,
) -> None:
    """Find pictures: in words, like an image, or both.

    Also +WORDS, -WORDS, or --add WORDS and --subtract WORDS, any number of times.
    """
    from retrieval.cli.output import write_answer
    from retrieval.library import Library
    from retrieval.query import ImagePart, Query, QueryError, parse_terms

    parts = parse_terms(terms).parts if terms else ()
    if image is not None:
        if not image.expanduser().is_file():
            raise QueryError(f"{image} is no file: check the path given to --image")
        parts = (*parts, ImagePart(image=str(image)))
    query = Query(parts=parts)
    with Library.open(library, encoder=encoder, create=False) as opened:
        answer = opened.search(
            query,
            top=top,
            where=where,
            duplicates=duplicates,
            false_reject=None if no_reject else false_reject,
            show_rejected=show_rejected,
            ranking=ranking,
            intent=intent,
            intent_strength=intent_strength,
            explain=explain,
        )
    chosen = chosen_format(format, paths_only, nul)
    write_answer(
        answer,
        chosen,
        nul=nul,
        explain=explain,
        asked=_kinds(query, intent),
        filtered=where is not None,
    )
    if exit_status and not answer.hits:
        raise typer.Exit(Exit.NO_MATCH)


def _kinds(query: "Query", intent: str) -> "set[Kind]":
    """What the query asks by."""
    from retrieval.query import ImagePart

    kinds: set[Kind] = {"image" if isinstance(part, ImagePart) else "text" for part in query.parts}
    return kinds | ({"text"} if intent else set())
