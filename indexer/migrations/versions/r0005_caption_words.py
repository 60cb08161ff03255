"""Which captions hold which words, so that a filter need not read every caption."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ROWS_PER_STATEMENT = 10_000


def upgrade() -> None:
    op.create_table(
        "caption_words",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("word", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "caption_word_uses",
        sa.Column(
            "word_id",
            sa.Integer,
            sa.ForeignKey("caption_words.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "content_id",
            sa.Integer,
            sa.ForeignKey("contents.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sqlite_with_rowid=False,
    )
    _fill()
    op.create_index("caption_word_uses_by_content", "caption_word_uses", ["content_id"])


def _fill() -> None:
    connection = op.get_bind()
    captions = sa.table(
        "captions", sa.column("content_id", sa.Integer), sa.column("searchable", sa.Text)
    )
    words = sa.table("caption_words", sa.column("id", sa.Integer), sa.column("word", sa.Text))
    uses = sa.table(
        "caption_word_uses", sa.column("word_id", sa.Integer), sa.column("content_id", sa.Integer)
    )
    id_of: dict[str, int] = {}
    last = -1
    while found := connection.scalars(
        sa.select(captions.c.content_id)
        .where(captions.c.content_id > last)
        .distinct()
        .order_by(captions.c.content_id)
        .limit(ROWS_PER_STATEMENT)
    ).all():
        said = connection.execute(
            sa.select(captions.c.content_id, captions.c.searchable).where(
                captions.c.content_id.between(found[0], found[-1])
            )
        )
        last = found[-1]
        held = {(word, id) for id, text in said for word in text.split(" ") if word}
        new = sorted({word for word, _ in held if word not in id_of})
        id_of.update({word: len(id_of) + 1 + number for number, word in enumerate(new)})
        if new:
            connection.execute(
                sa.insert(words), [{"id": id_of[word], "word": word} for word in new]
            )
        if held:
            rows = [{"word_id": id_of[word], "content_id": id} for word, id in sorted(held)]
            connection.execute(sa.insert(uses), rows)


def downgrade() -> None:
    op.drop_table("caption_word_uses")
    op.drop_table("caption_words")
