"""The command line: one file per command. Data on stdout; progress and notes on stderr."""
