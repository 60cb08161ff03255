"""HARMONY: how a small model learns from large ones, and how sight and words agree.

Knows torch only. Each equation of section 5 is one function; `docs/equations.md` lists them.

Shape letters:

    B   batch                           L   levels of abstraction
    C   classes, or candidates          P   width of one level's visual features
    D   width of what a function makes  Q   width of one level's textual features
    S   width of the student            T   width of the teacher
"""
