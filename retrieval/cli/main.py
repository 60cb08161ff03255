"""`spectrum`: the commands, and one line for every error."""

import io
import os
import sys
from typing import Annotated

import typer

from retrieval.cli.exits import Exit, exit_of, message_of
from retrieval.cli.search import SearchCommand

app = typer.Typer(
    name="spectrum",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        # Flags without a twin of their own have one by this rule: SPECTRUM_INDEX_EXCLUDE.
        "auto_envvar_prefix": "SPECTRUM",
    },
    help="Find pictures in your folders: in words, by an image, offline.",
)


def _version(asked: bool) -> bool:
    if asked:
        from importlib.metadata import version

        print(f"spectrum {version('spectrum-retrieval')}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="SPECTRUM_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    os.environ["SPECTRUM_DEBUG"] = "1" if debug else ""


def _add_commands() -> None:
    from retrieval.cli import (
        calibrate,
        caption,
        demo,
        distill,
        duplicates,
        eval_rejection,
        evaluate,
        index,
        models,
        profile,
        refine,
        search,
        similar,
        status,
        train,
    )

    app.command("index")(index.index)
    app.command("search", cls=SearchCommand)(search.search)
    app.command("similar")(similar.similar)
    app.command("duplicates")(duplicates.duplicates)
    app.command("caption")(caption.caption)
    app.command("calibrate")(calibrate.calibrate)
    app.command("eval-rejection")(eval_rejection.eval_rejection)
    app.command("status")(status.status)
    app.command("refine")(refine.refine)
    app.command("profile")(profile.profile)
    app.command("eval")(evaluate.evaluate)
    app.command("distill")(distill.distill)
    app.command("train")(train.train)
    app.add_typer(models.app, name="models")
    app.command("demo")(demo.demo)


def main() -> None:
    """Runs the command line and exits with the codes of `retrieval.cli.exits`."""
    _add_commands()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that knows fewer letters than the paths do shows escapes instead of failing.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, say) has enough. Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.FINE
    except Exception as error:
        code = _reported(error)
    sys.exit(code or Exit.FINE)


def _reported(error: Exception) -> int:
    """Says on stderr what went wrong, in a line, and returns the exit code."""
    if hasattr(error, "format_message"):  # Typer's own: a flag it does not know, a wrong value
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "spectrum"
        what = error.format_message().rstrip(".")
        if not what:  # no command was given, and the help is on the screen already
            return Exit.USAGE
        return _say(f"{what}; see '{command} --help'", Exit.USAGE)
    if os.environ.get("SPECTRUM_DEBUG"):
        raise error
    code = exit_of(error)
    if code is not None:
        return _say(message_of(error), code)
    what = f"unexpected {type(error).__name__}: {error}"
    return _say(f"{what}; 'spectrum --debug COMMAND' shows where", Exit.BUG)


def _say(message: str, code: Exit) -> int:
    line = " ".join(message.split()).encode(errors="backslashreplace").decode()
    print(f"spectrum: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
