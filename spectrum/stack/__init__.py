"""The SPECTRUM stack: five modules, integrated, over an image and its neighbourhood."""

from spectrum.stack.protocol import Explanation, ImageEvidence, Refined, Refiner, StackIdentity

MODULES = ("castle", "prism", "nexus", "oracle", "harmony")
"""Core, context, efficient, object and modal layer, in the order of 6.1a."""

__all__ = ["MODULES", "Explanation", "ImageEvidence", "Refined", "Refiner", "StackIdentity"]
