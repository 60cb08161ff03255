"""Which captions hold which words: what spares a filter from reading every caption.

Words are what blanks part, as `indexer.searchable_text` has them, with whatever else is in them: so
letters that are looked for, without a blank among them, are in a caption exactly if they are in one
of its words. Different words are few, so that all of them can be looked through.
"""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from indexer.catalogue import chunks
from indexer.schema import Caption, CaptionWord, CaptionWordUse


def words_of_caption(searchable: str) -> set[str]:
    """The different words of a caption."""
    return {word for word in searchable.split(" ") if word}


def note_words(session: Session, content_ids: Sequence[int]) -> None:
    """Notes the words of all captions of these pictures, as they are in the session now.

    What was noted of them before goes. A word that no caption holds any more stays in the list.
    """
    session.flush()
    for some in chunks(content_ids):
        session.execute(delete(CaptionWordUse).where(CaptionWordUse.content_id.in_(some)))
        captions = select(Caption.content_id, Caption.searchable).where(
            Caption.content_id.in_(some)
        )
        uses = sorted(
            {
                (word, content_id)
                for content_id, searchable in session.execute(captions)
                for word in words_of_caption(searchable)
            }
        )
        id_of = _word_ids(session, sorted({word for word, _ in uses}))
        rows = [{"word_id": id_of[word], "content_id": content_id} for word, content_id in uses]
        if rows:
            session.execute(insert(CaptionWordUse), rows)


def _word_ids(session: Session, words: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(words):
        query = select(CaptionWord.word, CaptionWord.id).where(CaptionWord.word.in_(some))
        found.update((word, id) for word, id in session.execute(query))
        new = [word for word in some if word not in found]
        if new:
            session.execute(insert(CaptionWord), [{"word": word} for word in new])
            query = select(CaptionWord.word, CaptionWord.id).where(CaptionWord.word.in_(new))
            found.update((word, id) for word, id in session.execute(query))
    return found
