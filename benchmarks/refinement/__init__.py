"""Ways to rank on the same vectors in the same run; see `__main__`."""
