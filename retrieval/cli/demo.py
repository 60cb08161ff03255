"""`spectrum demo`: renders a sample collection and shows what one can do with it."""

from pathlib import Path
from typing import Annotated

import typer

from retrieval.cli.options import EncoderOption, Format

TEXT_QUERIES = ("a ball on a sandy beach", "two cubes at night")
N_HITS = 4


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="Where to put it; by default the cache directory."),
    ] = None,
    scenes: Annotated[
        int, typer.Option(min=10, max=500, metavar="N", help="Pictures to render.")
    ] = 300,
    encoder: EncoderOption = None,
) -> None:
    """Render a few hundred pictures, index them, search, and measure the search. No download."""
    from indexer.build import BuildOptions
    from retrieval.cli.evaluate import write_report
    from retrieval.cli.index import index_with_progress
    from retrieval.cli.output import note, write_answer
    from retrieval.evaluation.datasets import read_captions
    from retrieval.evaluation.run import evaluate
    from retrieval.library import Library
    from retrieval.sample.collection import write_collection
    from spectrum.encoders import load_encoder

    target = _default_folder() if folder is None else folder.expanduser().absolute()
    note(f"rendering {scenes} pictures into {target} …")
    captions = write_collection(target / f"scenes-{scenes}", n_scenes=scenes)
    images = captions.parent / "images"
    chosen = load_encoder(encoder or "embedded")
    # A library belongs to its encoder's weights; those of an earlier version may still lie here.
    library = target / f"scenes-{scenes}-{chosen.identity.weights_hash[:8]}.library"
    report = index_with_progress([str(images)], library, chosen, BuildOptions(prune=True))
    note(f"indexed {report.encoded + report.unchanged} pictures")
    with Library.open(library, encoder=chosen, create=False) as opened:
        for words in TEXT_QUERIES:
            note(f'$ spectrum search "{words}" --library {library}', heading=True)
            write_answer(opened.search(words, top=N_HITS), Format.TABLE)
        example = sorted(images.iterdir())[0]
        note(f"$ spectrum similar {example} --library {library}", heading=True)
        write_answer(opened.similar(example, top=N_HITS), Format.TABLE)
        note(f"$ spectrum eval {captions} --library {library}", heading=True)
        write_report(
            evaluate(opened, read_captions(captions, None), name=str(captions)), Format.TABLE
        )
        if opened.space.identity.name == "embedded":
            note("The embedded encoder learned from photographs; rendered shapes are new to it.")
    note("Now your own: spectrum index ~/Pictures, then spectrum search 'what you remember'")


def _default_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("spectrum", appauthor=False) / "demo"
