"""Yard-sticks of the trust framework: what it knows from what it does not know, beside plain
detectors that are asked the same.

    python -m benchmarks.trust.images      pooled features of photographs
    python -m benchmarks.trust.rings       concentric rings with a hole in the middle
    python -m benchmarks.trust.tabular     anomalies in tables, without labels
    python -m benchmarks.trust.ablations   what each part of the framework is worth

Shape letters: L library, K known queries, U unknown queries, N any of them, F features, Y classes,
S seeds, R resamples.
"""
