"""The SPECTRUM stack: five modules, integrated, over an image and its neighbourhood."""

from spectrum.stack.protocol import (
    MODULES,
    Explanation,
    ImageEvidence,
    Refined,
    Refiner,
    StackIdentity,
)

__all__ = ["MODULES", "Explanation", "ImageEvidence", "Refined", "Refiner", "StackIdentity"]
