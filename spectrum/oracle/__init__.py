"""ORACLE: the objects of an image, their relations, and their like in neighbouring images.

Knows torch only. Each equation of section 4 is one function; `docs/equations.md` lists them.
Objects are boxes on an image's grid of tokens, described one image at a time; context (4.3) also
reads the objects of the image's nearest in a frozen bank. A batch is a neighbourhood: the first
member is the image itself (the anchor), and nothing looks from one anchor's into another's.

Shape letters:

    B   anchors, or images                 K   objects of an image
    M   members; member 0 is the anchor    J   objects that are looked at: K, or those of all
    Y   rows of the grid                       neighbours
    X   columns of the grid                D   width of a stored vector, and of an object
    C   width of a token                   R   width of a relation

Boxes are left, top, right, bottom in shares of the frame, from 0 to 1.
"""
