"""From folders to a consistent, crash-safe index: walk, decode, encode, catalogue, vectors.

Shape letters: B batch, D stored dimension (semantic block, then visual block), H W pixels,
N images of one space, Q queries, K results of one query.
"""
