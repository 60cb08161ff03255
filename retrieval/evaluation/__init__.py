"""How good the search is, measured on the user's own labels: pure functions over arrays.

    metrics.py      one metric, one function of the ranks of a query's relevant items
    rejection.py    how well a score tells what can be answered from what cannot
    intervals.py    a mean, or a difference of two runs, with its 95 % bootstrap interval
    datasets.py     labelled images on disk; COCO's JSON in coco.py, TREC judgements in qrels.py
    located.py      which of them the library holds
    vectors.py      what is ranked: the vectors of search, and the unrefined ones
    searches.py     a dataset as searches: what is asked, what can be found
    directions.py   from vectors and labels to what every query found
    blocks.py       from that to the blocks of the JSON report
    run.py          THE STORY: find the images, rank, report
    compare.py      a run beside an earlier one
    trec.py         a run as TREC files
    report.py       a run as a page: plots.py, confusions.py, hardest.py, thumbnails.py, page.py

The definitions, and what was decided about ties, empties and duplicates: docs/evaluation.md.

Shape letters: Q queries, N items of a database, I all items with those that could not be read,
D width of a vector, R relevant items of one query that were ranked, M images that could not be
read, T rows of a dataset, C clusters, H best items kept, B queries that both runs have; of
rejection: K known queries, U unknown ones, L thresholds.
"""
