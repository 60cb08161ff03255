"""CASTLE: causal attention among an image and its neighbours.

Knows torch only. Each equation of section 1 is one function; `docs/equations.md` lists them.
A batch is a neighbourhood: the first member is the image itself (the anchor), the others are its
nearest in a frozen bank; nothing looks from one anchor's neighbourhood into another's.

Shape letters:

    B   anchors, each with a neighbourhood   K   replacements: one for each member, or 1 for all
    M   members; member 0 is the anchor      L   levels of the causal graph
    D   width of a feature                   J   members that are watched, the first of M
"""
