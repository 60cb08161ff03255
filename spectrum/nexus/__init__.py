"""NEXUS: attention in windows across a grid of tokens, sparse and cheap.

Knows torch only. Each equation of section 3 is one function; `docs/equations.md` lists them.
An image's tokens are a grid, rows from the top; nothing looks from one image into another. Windows
are read as shifted views of the grid, so the cost grows with the number of tokens, not its square;
only small grids, where it is faster, go by the matrix of all pairs.

Shape letters:

    B   images                               W   places of a window, the token's own among them
    Y   rows of the grid                     N   tokens, or rows and columns of them: N or Y X
    X   columns of the grid                  D   width of a feature
    C   width of a token                     S   scales, the finest first
"""
