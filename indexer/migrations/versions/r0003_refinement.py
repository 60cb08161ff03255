"""Refinement: what is known of a picture by itself, banks, and vectors refined over them.

Pictures that were indexed before have no evidence: `spectrum refine` opens them once more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "evidence",
        _content_key(),
        sa.Column("space_id", sa.Integer, sa.ForeignKey("spaces.id"), primary_key=True),
        sa.Column("stack", sa.String(32), nullable=False),
        sa.Column("shift", sa.LargeBinary, nullable=False),
        sa.Column("prompt", sa.LargeBinary, nullable=False),
    )
    op.create_index("evidence_by_stack", "evidence", ["space_id", "stack", "content_id"])
    op.create_table(
        "banks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("space_id", sa.Integer, sa.ForeignKey("spaces.id"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("stack", sa.String(32), nullable=False),
        sa.Column("budget", sa.String(16), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.Column("mean_hubness", sa.Float, nullable=False),
        sa.UniqueConstraint("space_id", "version"),
        sqlite_autoincrement=True,
    )
    op.create_table("bank_members", _content_key(), _bank_key())
    op.create_table(
        "refined",
        _content_key(),
        _bank_key(),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("hubness", sa.Float, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("neighbours", sa.LargeBinary, nullable=False),
    )
    op.create_index("refined_by_generation", "refined", ["bank_id", "generation", "content_id"])


def _content_key() -> sa.Column[int]:
    key = sa.ForeignKey("contents.id", ondelete="CASCADE")
    return sa.Column("content_id", sa.Integer, key, primary_key=True)


def _bank_key() -> sa.Column[int]:
    key = sa.ForeignKey("banks.id", ondelete="CASCADE")
    return sa.Column("bank_id", sa.Integer, key, primary_key=True)


def downgrade() -> None:
    for table in ("refined", "bank_members", "banks", "evidence"):
        op.drop_table(table)
