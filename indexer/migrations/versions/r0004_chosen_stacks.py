"""The stack of one's own that refines an encoder's vectors, where one was named."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "chosen_stacks",
        sa.Column("encoder", sa.String(32), primary_key=True),
        sa.Column("path", sa.LargeBinary, nullable=False),
        sa.Column("weights_hash", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("chosen_stacks")
