"""Small encoders for a user's own pictures, taught by a large one: `spectrum distill`.

A student is the embedded encoder with new heads: its towers stay as they are, and a linear map
with a small residual branch leads from what they say to the teacher's space. Knows torch, onnx
and HARMONY's losses, and no storage; whoever has pictures hands them over decoded.

Shape letters: B batch, F features of an image, K captions of an image, M items of another kind
than N, N items, S width of the student's or teacher's space, T texts, V views, W width of a
head's input.
"""
