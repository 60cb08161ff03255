"""How near a refined vector is to all words by themselves, beside how near to all sentences."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # Absent from what an older stack refined: the hubness among sentences stands in for it.
    op.add_column("refined", sa.Column("word_hubness", sa.Float, nullable=True))
    op.add_column("banks", sa.Column("mean_word_hubness", sa.Float, nullable=True))


def downgrade() -> None:
    # Not as a batch, which would make the tables anew and take what refers to them along.
    op.drop_column("refined", "word_hubness")
    op.drop_column("banks", "mean_word_hubness")
