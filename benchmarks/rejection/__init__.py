"""Which queries a library has nothing for: the gate and its rivals, on photographs and captions.

    python -m benchmarks.rejection.texts CACHE     words
    python -m benchmarks.rejection.images CACHE    images

CACHE is a folder outside the project for vectors, which are computed once.
"""
