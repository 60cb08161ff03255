"""Catalogues as an older version left them."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from indexer.database import connect, writing


def revised(file: Path, to: str) -> None:
    """Takes a catalogue back to an earlier revision of the schema."""
    engine = connect(file)
    config = Config()
    config.set_main_option("script_location", "indexer:migrations")
    with writing(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, to)
    engine.dispose()
