"""The sample collection: rendered scenes whose ground truth is exact.

For the demonstration, the tests and the measurement of intent: every picture comes with what is in
it, where, and five captions. Nothing is downloaded and no third party's picture is used.

Shape letters: H W pixels of a picture, N points or rays, L levels of detail, P dots of a pattern.
World axes: x to the right, y up from the ground, z away from the camera; one unit is a large
thing's half width.
"""
