"""`spectrum refine`: refines all pictures of a library over a bank of all that are there now."""

from typing import TYPE_CHECKING, Annotated

import typer

from retrieval.cli.exits import Exit
from retrieval.cli.interruption import Interruption
from retrieval.cli.options import LibraryOption, StackOption

if TYPE_CHECKING:
    from indexer.refine import RefineReport


def _checked(budget: str | None) -> str | None:
    from spectrum.stack.loading import checked_budget

    try:
        return None if budget is None else checked_budget(budget)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        envvar="SPECTRUM_BUDGET",
        metavar="B",
        callback=_checked,
        help="What refining may cost: none, fast, balanced, best, or milliseconds an image;"
        " by default the library's own, at first best.",
    ),
]


def refine(
    library: LibraryOption = None, budget: BudgetOption = None, stack: StackOption = None
) -> None:
    """Refine all pictures anew, among those that are in the library now.

    Searches are answered from the old vectors until the new ones are complete. Ctrl-C keeps what
    is done; the next run goes on from there.
    """
    from retrieval.cli.progress import BarProgress
    from retrieval.library import Library

    with (
        Library.open(library, create=False, budget=budget, stack=stack) as opened,
        Interruption() as interruption,
        BarProgress("refining", interruption.requested.is_set) as progress,
    ):
        report = opened.refine(progress=progress)
    _summarise(report)
    if report.interrupted:
        raise typer.Exit(Exit.INTERRUPTED)


def _summarise(report: "RefineReport") -> None:
    from retrieval.cli.output import note

    counts = {
        "encoded once more": report.opened,
        "refined": report.refined,
        "refined by an earlier run": report.resumed,
    }
    said = ", ".join(f"{n:,} {what}" for what, n in counts.items() if n)
    if report.interrupted:
        note(said or "nothing refined yet")
        note("interrupted: what is done is saved; run the same command again to go on")
        return
    if report.version is not None:
        bank = f"bank {report.version} of {report.bank_size:,} pictures"
        note(f"{said}: {bank}" if said else f"nothing to do: {bank} is of all that are here")
    else:
        note("nothing to refine: the library holds no picture")
    if report.unread:
        note(
            f"{report.unread:,} pictures stay unrefined, since their files are changed or cannot be"
            " read: 'spectrum index' says which"
        )
