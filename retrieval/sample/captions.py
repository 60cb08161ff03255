"""Five truthful English captions of a scene, worded differently."""

import random
from collections.abc import Mapping

from retrieval.sample.scene import Background, Kind, Lighting, Relation, Scene, Shape

_NUMBERS = ("no", "one", "two", "three", "four")

_PARTICIPLES: Mapping[Shape, str] = {
    "ball": "lying",
    "cube": "sitting",
    "cone": "standing",
    "pyramid": "sitting",
    "cylinder": "standing",
    "ring": "standing",
    "star": "standing",
}
_VERBS = {"lying": ("lies", "lie"), "sitting": ("sits", "sit"), "standing": ("stands", "stand")}

_PLACES: Mapping[Background, tuple[str, str, str]] = {
    "grass": ("on the grass", "in a green meadow", "on a grassy field"),
    "beach": ("on the beach", "on a sandy beach by the sea", "on the sand near the ocean"),
    "snow": ("in the snow", "on a snowy field", "on the snow in front of snowy hills"),
    "desert": ("in the desert", "among the dunes of a desert", "on the sand of a desert"),
    "forest": ("in the forest", "in the woods among the trees", "on the forest floor"),
    "table": ("on a wooden table", "on a table made of wood", "on top of a wooden table"),
    "city": (
        "in front of a city skyline",
        "in the city with lit windows in the background",
        "on the pavement with city buildings behind",
    ),
    "starry sky": (
        "under a starry sky",
        "under the stars and the moon",
        "outdoors below a night sky full of stars",
    ),
}

_TIMES: Mapping[Lighting, tuple[str, str]] = {
    "day": ("in daylight", "during the day"),
    "sunset": ("at sunset", "in warm evening light"),
    "night": ("at night", "in the dark of night"),
}

_RELATIONS: Mapping[Relation, tuple[str, str]] = {
    "left of": ("to the left of", "on the left side of"),
    "right of": ("to the right of", "on the right side of"),
    "on top of": ("on top of", "on"),
    "in front of": ("in front of", "in front of"),
}
_SEEN_FROM_OTHER: Mapping[Relation, str] = {
    "left of": "on its left",
    "right of": "on its right",
    "on top of": "on top of it",
    "in front of": "in front of it",
}
_SIDES: Mapping[Relation, str] = {
    "left of": "on the left",
    "right of": "on the right",
    "on top of": "on top",
    "in front of": "in front",
}


def captions(scene: Scene) -> tuple[str, str, str, str, str]:
    """Five sentences in lower case, each true of the scene, none equal to another.

    Each names the number, colour and shape of the subject and the background, so that within a
    collection, where no two scenes share these four, it fits one picture. Texture, size, relation
    and lighting are named by some.
    """
    words = random.Random(scene.seed)
    places = words.sample(_PLACES[scene.background], 3)
    times = words.sample(_times(scene), 2)
    return _related(scene, places, times) if scene.other else _alone(scene, places, times)


def _alone(scene: Scene, places: list[str], times: list[str]) -> tuple[str, str, str, str, str]:
    count, kind = scene.count, scene.subject
    participle = _PARTICIPLES[kind.shape]
    verb = _VERBS[participle][count > 1]
    be = "are" if count > 1 else "is"
    return (
        f"{_phrase(kind, count)} {participle} {places[0]}",
        _joined(_phrase(kind, count, size=True), places[1], times[0]),
        f"there {be} {_phrase(kind, count, pattern_after=True)} {places[2]}",
        _joined("a picture of", _phrase(kind, count, texture=False), places[0], times[1]),
        _joined(
            f"{places[1]},", _phrase(kind, count, size=True, pattern_after=True), verb, times[0]
        ),
    )


def _related(scene: Scene, places: list[str], times: list[str]) -> tuple[str, str, str, str, str]:
    assert scene.other is not None
    assert scene.relation is not None
    count, kind, other, relation = scene.count, scene.subject, scene.other, scene.relation
    participle = _PARTICIPLES[kind.shape]
    verb = _VERBS[participle][count > 1]
    near, near_again = _RELATIONS[relation]
    # A second place after "on top of a cube" would seem to be the cube's; a comma keeps them apart.
    comma = "," if relation in ("on top of", "in front of") else ""
    short, plural = f"the {kind.colour} {kind.shape}", "s" if count > 1 else ""
    be = "are" if count > 1 else "is"
    return (
        f"{_phrase(kind, count)} {participle} {near} {_phrase(other)}{comma} {places[0]}",
        _joined(
            _phrase(kind, count, size=True),
            near_again,
            _phrase(other, size=True) + comma,
            places[1],
            times[0],
        ),
        f"there {be} {_phrase(kind, count, pattern_after=True)} and {_phrase(other)} {places[2]}, "
        f"{short}{plural} {_SIDES[relation]}",
        _joined(
            "a picture of",
            _phrase(other, texture=False),
            "with",
            _phrase(kind, count, texture=False),
            f"{_SEEN_FROM_OTHER[relation]},",
            places[0],
            times[1],
        ),
        f"{places[1]}, {_phrase(kind, count, size=True)} {verb} {near} "
        f"{_phrase(other, pattern_after=True)}",
    )


def _times(scene: Scene) -> tuple[str, str]:
    if scene.background == "starry sky":
        return ("", "")
    if scene.background == "city" and scene.lighting == "sunset":
        return ("at dusk", "at sunset")
    return _TIMES[scene.lighting]


def _phrase(
    kind: Kind,
    count: int = 1,
    *,
    size: bool = False,
    texture: bool = True,
    pattern_after: bool = False,
) -> str:
    """The kind as a noun phrase: "two small red balls with white dots"."""
    before, after = _pattern(kind, after=pattern_after) if texture else (kind.colour, "")
    noun = kind.shape + ("s" if count > 1 else "")
    described = _joined(kind.size if size else "", before, noun, after)
    if count > 1:
        return f"{_NUMBERS[count]} {described}"
    return f"{'an' if described[0] in 'aeiou' else 'a'} {described}"


def _pattern(kind: Kind, *, after: bool) -> tuple[str, str]:
    """Words before and after the noun that give colour and texture."""
    colour, second = kind.colour, kind.second_colour
    match kind.texture:
        case "plain":
            return colour, ""
        case "striped":
            return (colour, f"with {second} stripes") if after else (f"striped {colour}", "")
        case "dotted":
            return (colour, f"with {second} dots") if after else (f"dotted {colour}", "")
        case "checkered":
            return f"{colour} and {second} checkered", ""
        case "marble" | "wooden":
            return f"{colour} {kind.texture}", ""


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
