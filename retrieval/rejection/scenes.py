"""Whether a query is of the kind of scene that the library shows: one direction of vectors.

Words: from made-up scenes that no caption holds; images: from the library's own pictures distorted.

Shape letters: K known queries, V of scenes that are not in the library, F the vectors' width.
"""

import numpy as np
from jaxtyping import Float32

SHRINKAGE = 0.2
"""Share of the mean variance in the covariance; chosen on half of Flickr8k dev and the unknown."""
PICTURED = 0.05
"""The same of pictures."""
FEWEST = 50


def scene_direction(
    known: Float32[np.ndarray, "K F"],
    scenes: Float32[np.ndarray, "V F"],
    shrinkage: float = SHRINKAGE,
) -> Float32[np.ndarray, " F"] | None:
    r"""Fisher's linear discriminant between the two; None for fewer than FEWEST of either.

    d = ((1 - s) C + s mean(diag C) I)^{-1} (mean known - mean scenes)

    C is the covariance within the two sets, s the shrinkage (Friedman, JASA 1989).
    """
    if min(len(known), len(scenes)) < FEWEST:
        return None
    centres = known.mean(axis=0), scenes.mean(axis=0)
    parts = (known - centres[0]).astype(np.float64), (scenes - centres[1]).astype(np.float64)
    within = sum(part.T @ part for part in parts) / (len(known) + len(scenes))
    level = float(np.trace(within)) / len(within)
    shrunk = (1 - shrinkage) * within + shrinkage * level * np.eye(len(within))
    shrunk += 1e-12 * np.eye(len(within))
    direction = np.linalg.solve(shrunk, (centres[0] - centres[1]).astype(np.float64))
    length = max(float(np.linalg.norm(direction)), 1e-12)
    return np.asarray(direction / length, dtype=np.float32)
