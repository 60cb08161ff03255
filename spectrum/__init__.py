"""From pixels and words to vectors: encoders, and the models that are embedded in them.

Knows torch, open_clip, transformers and ONNX Runtime; knows no storage, no SQL, no FAISS.

Shape letters, used in every annotation of this package:

    B   batch                       S   semantic dimension (shared by images and texts)
    H W height and width (pixels of an image, or cells of a token grid)
    C   channels of a token         V   visual dimension (images only)
    N   images of one split         L   tokens of one text
"""
