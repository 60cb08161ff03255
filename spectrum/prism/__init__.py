"""PRISM: images by what is said of them, and by what a query intends.

Knows torch only. Each equation of section 2 is one function; `docs/equations.md` lists them.
Prompts (2.1) are made image by image; alignment (2.2) is a loss over a batch of training; mapping
(2.3) reads a neighbourhood, whose first member is the image itself (the anchor), or a query.

Shape letters:

    N   images, texts or queries, of no order       S   semantic width, shared with texts
    B   anchors, each with a neighbourhood          D   width of a stored vector, its first S
    M   members; member 0 is the anchor                 components the semantic block; D >= S
    J   members that are watched, the first of M: all of them, or the anchor alone
"""
