"""What captioners and people say of the pictures, in the library's database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from indexer.caption_words import note_words
from indexer.catalogue import Catalogue, chunks, one_of
from indexer.rows import now
from indexer.schema import Caption, Content, Location
from indexer.searchable_text import searchable_text


@dataclass(frozen=True, kw_only=True)
class CaptionRow:
    """One sentence about one picture."""

    content_id: int
    text: str
    model: str
    """Who says it: a captioner's name and weights; at most 128 letters."""
    prompt: str = ""
    """What it was asked; at most 255 letters."""
    confidence: float | None = None
    """In [0, 1], if the captioner gives one."""


def store_captions(catalogue: Catalogue, captions: Sequence[CaptionRow]) -> None:
    """Stores them in one transaction; what the same model said before to the same prompt goes.

    Captions of pictures that were pruned meanwhile are passed over.
    """
    with catalogue.writing() as session:
        held: set[int] = set()
        for some in chunks([caption.content_id for caption in captions]):
            held.update(session.scalars(select(Content.id).where(Content.id.in_(some))))
        for caption in captions:
            if caption.content_id in held:
                row = Caption(
                    content_id=caption.content_id,
                    model=caption.model,
                    prompt=caption.prompt,
                    text=caption.text,
                    searchable=searchable_text(caption.text),
                    confidence=caption.confidence,
                    created_at=now(),
                )
                session.merge(row)
        note_words(session, sorted(held))


def captions_of(catalogue: Catalogue, ids: Sequence[int]) -> dict[int, list[CaptionRow]]:
    """Picture -> its captions, in order of model and prompt."""
    found: dict[int, list[CaptionRow]] = {id: [] for id in ids}
    told = (Caption.text, Caption.model, Caption.prompt, Caption.confidence)
    for id, text, model, prompt, confidence in _columns_of(catalogue, ids, *told):
        found[id].append(
            CaptionRow(content_id=id, text=text, model=model, prompt=prompt, confidence=confidence)
        )
    return found


def texts_of(catalogue: Catalogue, ids: Sequence[int]) -> dict[int, list[str]]:
    """Picture -> the texts of its captions, in order of model and prompt; half of their time."""
    found: dict[int, list[str]] = {id: [] for id in ids}
    for id, text in _columns_of(catalogue, ids, Caption.text):
        found[id].append(text)
    return found


def _columns_of(
    catalogue: Catalogue, ids: Sequence[int], *columns: InstrumentedAttribute[Any]
) -> Iterator[Any]:
    """The picture and these columns of each of its captions, in order of model and prompt."""
    with catalogue.reading() as session:
        for some in chunks(list(ids)):
            # Columns, not objects: a search reads the captions of hundreds of pictures.
            query = (
                select(Caption.content_id, *columns)
                .where(Caption.content_id.in_(one_of(some)))
                .order_by(Caption.content_id, Caption.model, Caption.prompt)
            )
            yield from session.execute(query)


def uncaptioned_ids(catalogue: Catalogue, model: str, prompt: str = "") -> Int64[np.ndarray, "N"]:
    """Pictures with a file that is present, of which the model has said nothing yet; ascending."""
    said = select(Caption.content_id).where(Caption.model == model, Caption.prompt == prompt)
    present = select(Location.content_id).where(Location.state == "present")
    query = (
        select(Content.id)
        .where(Content.id.in_(present), Content.id.not_in(said))
        .order_by(Content.id)
    )
    with catalogue.reading() as session:
        return np.fromiter(session.scalars(query), dtype=np.int64)
