"""How good the search is, measured on the user's own labels: pure functions over arrays.

    metrics.py     one metric, one function of the ranks of a query's relevant items
    intervals.py   a mean with its 95 % bootstrap interval, resampled by image
    datasets.py    labelled images on disk: a captions.jsonl, or a folder of class folders
    blocks.py      from vectors and labels to the blocks of the JSON report

The definitions, and what was decided about ties, empties and duplicates: docs/evaluation.md.

Shape letters: Q queries, N items of a database, D width of a vector, R relevant items of one
query that were ranked, M images that could not be read, T rows of a dataset, C clusters.
"""
