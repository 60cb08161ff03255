"""Queries with an intent and queries that leave something out, over rendered scenes."""
