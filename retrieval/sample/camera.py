"""The camera: which ray a pixel looks along, and where a point of the world is seen."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from retrieval.sample.scene import Scene


class Ground(NamedTuple):
    """The points of the ground that the rows below the horizon show."""

    x: Float32[np.ndarray, "H W"]
    """World units to the right."""
    z: Float32[np.ndarray, "H 1"]
    """World units away; the same along a row."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera that looks level, its picture shifted so that the horizon lies high.

    Looking level keeps vertical lines vertical and gives each row of the ground one distance.
    """

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    horizon: int
    """Row of the horizon."""
    focal: float = 460.0
    """Focal length in pixels."""
    eye: float = 1.9
    """World units between the ground and the camera."""

    def ground(self) -> Ground:
        """What each pixel below the horizon sees of the ground; the first row is the horizon's."""
        rows = np.arange(self.height - self.horizon, dtype=np.float32)[:, None] + 0.5
        columns = np.arange(self.width, dtype=np.float32)[None, :] + 0.5 - self.width / 2
        z = self.eye * self.focal / rows
        return Ground(columns * (z / self.focal), z)

    def projected(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Column and row, in pixels, at which a point of the world is seen."""
        return self.width / 2 + self.focal * x / z, self.horizon + self.focal * (self.eye - y) / z


def camera_of(scene: Scene) -> Camera:
    """The camera that a scene is laid out for and painted with."""
    share = 0.40 if scene.height > scene.width else 0.37
    return Camera(width=scene.width, height=scene.height, horizon=round(scene.height * share))
