"""`spectrum models`: which encoders there are, and what one is."""

from dataclasses import asdict
from typing import Annotated

import typer

from retrieval.cli.options import Format, FormatOption

app = typer.Typer(no_args_is_help=True, help="Encoders: which there are, and what one is.")

FAMILIES = (
    (
        "embedded",
        "ships inside; no torch, no download; embedded:FILE is one that 'spectrum distill' made",
        "embedded:mine.spectrum",
    ),
    (
        "open_clip:ARCH/TAG_OR_FILE",
        "any open_clip model; a tag is downloaded once, a file is read where it lies",
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
    ),
    (
        "hf:ID_OR_DIR",
        "CLIP, SigLIP and their like through transformers; a hub id or a local folder",
        "hf:google/siglip-base-patch16-224",
    ),
)


@app.command("list")
def list_models(format: FormatOption = Format.TABLE) -> None:
    """List the families of encoders."""
    from rich.table import Table

    from retrieval.cli.output import json_text, printed

    columns = ("name", "what it is", "example")
    if format is not Format.TABLE:
        print(json_text([dict(zip(columns, row, strict=True)) for row in FAMILIES]))
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in FAMILIES:
        table.add_row(*row)
    printed(table)


@app.command()
def info(
    encoder: Annotated[str, typer.Argument(help="embedded, open_clip:… or hf:…")] = "embedded",
    format: FormatOption = Format.TABLE,
) -> None:
    """Show an encoder's identity; its weights are not loaded."""
    from rich.table import Table

    from retrieval.cli.output import json_text, printed
    from spectrum.encoders import load_encoder

    loaded = load_encoder(encoder)
    said = asdict(loaded.identity) | {
        "fingerprint": loaded.identity.fingerprint,
        "visual_weight": loaded.visual_weight,
    }
    if format is not Format.TABLE:
        print(json_text(said))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in said.items():
        table.add_row(name.replace("_", " "), str(value))
    printed(table)
