"""The first catalogue: roots, contents, locations, failures, spaces, vectors."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "roots",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("device", sa.BigInteger, nullable=False),
        sa.Column("walked_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "contents",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String(32), nullable=False, unique=True),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("format", sa.String(16), nullable=False),
        sa.Column("added_at", sa.DateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "locations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("changed_at", sa.DateTime, nullable=False),
        sa.Column("content_id", sa.Integer, sa.ForeignKey("contents.id")),
    )
    op.create_index("locations_by_content", "locations", ["content_id", "state"])
    op.create_table(
        "failures",
        sa.Column(
            "location_id",
            sa.Integer,
            sa.ForeignKey("locations.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("stage", sa.String(8), nullable=False),
        sa.Column("error_class", sa.String(64), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("decoder", sa.String(128), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "spaces",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("fingerprint", sa.String(32), nullable=False, unique=True),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("weights_hash", sa.String(32), nullable=False),
        sa.Column("preprocessing", sa.Text, nullable=False),
        sa.Column("semantic_dimension", sa.Integer, nullable=False),
        sa.Column("visual_dimension", sa.Integer, nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "vectors",
        sa.Column("space_id", sa.Integer, sa.ForeignKey("spaces.id"), primary_key=True),
        sa.Column(
            "content_id",
            sa.Integer,
            sa.ForeignKey("contents.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("base", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("vectors", "spaces", "failures", "locations", "contents", "roots"):
        op.drop_table(table)
