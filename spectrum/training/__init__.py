"""How the embedded models come to be. Needs the extra `train`; nothing at run time imports this.

Shape letters: B batch, C classes, D width of the joint space, E embedding rank, F features,
H W rows and columns, K captions of an image, N items, S width of a sentence vector, T tokens,
V vocabulary, P width of the whitened visual vector.
"""
