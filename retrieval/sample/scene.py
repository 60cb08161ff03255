"""What a scene holds: things, their relation, a background, a lighting. No pixel is made here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, get_args

Shape = Literal["ball", "cube", "cone", "pyramid", "cylinder", "ring", "star"]
Colour = Literal["red", "orange", "yellow", "green", "blue", "purple", "pink", "white"]
Texture = Literal["plain", "striped", "dotted", "checkered", "marble", "wooden"]
Size = Literal["small", "large"]
Relation = Literal["left of", "right of", "on top of", "in front of"]
Background = Literal["grass", "beach", "snow", "desert", "forest", "table", "city", "starry sky"]
Lighting = Literal["day", "sunset", "night"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS: tuple[Colour, ...] = get_args(Colour)
TEXTURES: tuple[Texture, ...] = get_args(Texture)
SIZES: tuple[Size, ...] = get_args(Size)
RELATIONS: tuple[Relation, ...] = get_args(Relation)
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
COUNTS: tuple[int, ...] = (1, 2, 3, 4)
SUPPORTS: tuple[Shape, ...] = ("cube", "cylinder")
"""Shapes with a flat top: something can stand on them."""

LIGHTINGS: Mapping[Background, tuple[Lighting, ...]] = {
    "grass": ("day", "sunset", "night"),
    "beach": ("day", "sunset", "night"),
    "snow": ("day", "sunset", "night"),
    "desert": ("day", "sunset", "night"),
    "forest": ("day", "sunset", "night"),
    "table": ("day", "sunset", "night"),
    "city": ("sunset", "night"),
    "starry sky": ("night",),
}
"""The lightings under which each background is what its name says."""

SCALES: Mapping[Size, float] = {"small": 0.46, "large": 0.8}
"""World units of a shape's half width."""


class Box(NamedTuple):
    """Pixels of a rectangle: left and top belong to it, right and bottom do not."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What can be said about a thing in words."""

    shape: Shape
    """Outline in space."""
    colour: Colour
    """Main colour; patterns add white, or black on a white thing."""
    texture: Texture
    """Pattern or material of the surface."""
    size: Size
    """Size in the world, not in pixels."""

    @property
    def second_colour(self) -> Literal["white", "black"] | None:
        """The colour of stripes, dots and checks; None for a texture of one colour."""
        if self.texture not in ("striped", "dotted", "checkered"):
            return None
        return "black" if self.colour == "white" else "white"


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One thing, where it stands, and where it is seen."""

    kind: Kind
    """Shape, colour, texture and size."""
    x: float
    """World units to the right of the camera."""
    z: float
    """World units in front of the camera; > 0."""
    y: float = 0.0
    """World units between the ground and the thing's foot; > 0 where it stands on another."""
    yaw: float = 0.0
    """Radians by which it is turned about its vertical axis."""
    box: Box | None = None
    """Extent of the pixels in which it is visible; None until the scene is painted."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture before it is painted, and all there is to know about it."""

    things: tuple[Thing, ...]
    """The `count` things of the subject, all of one kind; then the other thing, if there is one."""
    count: int
    """How many things the subject has; 1 to 4."""
    relation: Relation | None
    """Where the subject is, seen from the camera, in relation to the other thing."""
    background: Background
    """What is around the things."""
    lighting: Lighting
    """Time of day."""
    width: int = 384
    """Pixels."""
    height: int = 288
    """Pixels."""
    seed: int = 0
    """Decides what no attribute names: clouds, noise, the side the light comes from, wordings."""

    def __post_init__(self) -> None:
        """A scene that contradicts itself is refused, so that no caption can be untrue."""
        n_others = len(self.things) - self.count
        if self.count not in COUNTS or n_others != (self.relation is not None):
            raise ValueError(
                f"scene: {len(self.things)} things for count {self.count} and relation "
                f"{self.relation!r}; expected `count` things, and one more with a relation"
            )
        if any(thing.kind != self.subject for thing in self.things[: self.count]):
            raise ValueError(f"scene: the first {self.count} things must be of one kind")
        if self.lighting not in LIGHTINGS[self.background]:
            raise ValueError(
                f"scene: {self.background} has no lighting {self.lighting!r}; "
                f"choose one of {', '.join(LIGHTINGS[self.background])}"
            )

    @property
    def subject(self) -> Kind:
        """The kind that the picture is about."""
        return self.things[0].kind

    @property
    def other(self) -> Kind | None:
        """The kind of the thing that the subject is related to."""
        return self.things[-1].kind if self.relation is not None else None

    @property
    def attributes(self) -> dict[str, Any]:
        """Everything that is true of the scene, under plain keys; None where it does not apply.

        `colour`, `shape`, `texture`, `size` and `count` are the subject's; `other_*` the other
        thing's. Ready for JSON.
        """
        other = asdict(self.other) if self.other is not None else dict.fromkeys(_KIND_KEYS)
        return {
            "count": self.count,
            **asdict(self.subject),
            "second_colour": self.subject.second_colour,
            "relation": self.relation,
            **{f"other_{key}": value for key, value in other.items()},
            "background": self.background,
            "lighting": self.lighting,
            "orientation": "portrait" if self.height > self.width else "landscape",
        }

    @property
    def slug(self) -> str:
        """A file name, without extension, that says what is in the picture."""
        words = [_NUMBERS[self.count], self.subject.colour]
        words += [self.subject.texture] if self.subject.texture != "plain" else []
        words += [self.subject.shape + ("s" if self.count > 1 else "")]
        if self.other is not None:
            words += [str(self.relation), self.other.colour, self.other.shape]
        words += [self.background, self.lighting]
        return "-".join(words).replace(" ", "-")


_KIND_KEYS = ("shape", "colour", "texture", "size")
_NUMBERS = ("no", "one", "two", "three", "four")
