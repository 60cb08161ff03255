"""Alembic's entry: runs the revisions on the connection that `indexer.catalogue` hands over."""

from alembic import context

from indexer.schema import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
)
with context.begin_transaction():
    context.run_migrations()
