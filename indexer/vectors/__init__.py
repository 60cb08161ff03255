"""Vector stores behind one protocol. The database holds the vectors; a store makes them quick."""
