"""What photographs say of themselves, captions, and names and folders that filters can compare.

Facts of pictures that were indexed before stay unknown until `spectrum index` reads them.
"""

import os

import sqlalchemy as sa
from alembic import op

from indexer.searchable_text import searchable_folder, searchable_name

revision = "0002"
down_revision = "0001"

ROWS_PER_STATEMENT = 10_000


def upgrade() -> None:
    for column in (
        sa.Column("taken_at", sa.DateTime),
        sa.Column("camera_maker", sa.Text),
        sa.Column("camera_model", sa.Text),
        sa.Column("camera", sa.Text),
        sa.Column("exif_orientation", sa.Integer),
        sa.Column("facts_version", sa.Integer),
        sa.Column("difference_hash", sa.BigInteger),
    ):
        op.add_column("contents", column)
    for name in ("folder", "name"):
        column = sa.Column(name, sa.Text, nullable=False, server_default="")
        op.add_column("locations", column)
    _fill_names()
    op.create_table(
        "captions",
        sa.Column(
            "content_id",
            sa.Integer,
            sa.ForeignKey("contents.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("model", sa.String(128), primary_key=True),
        sa.Column("prompt", sa.String(255), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("searchable", sa.Text, nullable=False),
        sa.Column("confidence", sa.Float),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_index("contents_by_taken", "contents", ["taken_at"])
    op.create_index("contents_by_camera", "contents", ["camera"])
    op.create_index("contents_by_shape", "contents", ["width", "height", "format"])
    op.create_index("contents_by_facts", "contents", ["facts_version"])
    op.create_index("locations_by_folder", "locations", ["folder", "name", "state", "content_id"])
    op.create_index("locations_by_name", "locations", ["name", "state", "content_id"])
    op.create_index("captions_by_text", "captions", ["searchable", "content_id"])
    op.create_index("locations_by_size", "locations", ["size_bytes", "state", "content_id"])


def _fill_names() -> None:
    connection = op.get_bind()
    locations = sa.table(
        "locations",
        sa.column("id", sa.Integer),
        sa.column("path", sa.LargeBinary),
        sa.column("folder", sa.Text),
        sa.column("name", sa.Text),
    )
    fill = (
        sa.update(locations)
        .where(locations.c.id == sa.bindparam("of"))
        .values(folder=sa.bindparam("in_folder"), name=sa.bindparam("named"))
    )
    last = -1
    while rows := connection.execute(
        sa.select(locations.c.id, locations.c.path)
        .where(locations.c.id > last)
        .order_by(locations.c.id)
        .limit(ROWS_PER_STATEMENT)
    ).all():
        last = rows[-1][0]
        connection.execute(fill, [_names(id, os.fsdecode(bytes(path))) for id, path in rows])


def _names(id: int, path: str) -> dict[str, object]:
    return {"of": id, "in_folder": searchable_folder(path), "named": searchable_name(path)}


def downgrade() -> None:
    for name in ("size", "name", "folder"):
        op.drop_index(f"locations_by_{name}", "locations")
    for name in ("facts", "shape", "camera", "taken"):
        op.drop_index(f"contents_by_{name}", "contents")
    op.drop_table("captions")
    for name in ("folder", "name"):
        op.drop_column("locations", name)
    for name in (
        *("taken_at", "camera_maker", "camera_model", "camera"),
        *("exif_orientation", "facts_version", "difference_hash"),
    ):
        op.drop_column("contents", name)
