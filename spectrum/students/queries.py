"""Short texts such as people search with, made from word lists of our own.

They teach a student's text side where there are no captions, and keep it broad where there are.
"""

import itertools
from collections.abc import Callable

import numpy as np


def _listed(words: str) -> list[str]:
    return " ".join(words.split()).split(", ")


PEOPLE = _listed("""
man, woman, child, boy, girl, baby, couple, family, crowd, old man, old woman, player,
runner, cyclist, swimmer, climber, skier, surfer, dancer, singer, guitarist, cook, farmer, teacher,
student, doctor, worker, soldier, policeman, tourist, bride, friend""")
ANIMALS = _listed("""
dog, cat, horse, cow, sheep, goat, pig, rabbit, mouse, bird, duck, goose, swan, owl,
eagle, parrot, pigeon, penguin, chicken, fish, shark, whale, dolphin, turtle, frog, snake, lizard,
spider, bee, butterfly, elephant, lion, tiger, bear, wolf, fox, deer, giraffe, zebra, monkey, camel,
kangaroo, squirrel, puppy, kitten""")
THINGS = _listed("""
car, bus, truck, bicycle, motorcycle, train, tram, airplane, helicopter, boat, ship,
canoe, tractor, wheel, road sign, traffic light, bench, fence, bridge, house, church, castle, tower,
skyscraper, barn, tent, door, window, staircase, lamp, chair, table, sofa, bed, shelf, cupboard,
mirror, carpet, curtain, clock, vase, candle, book, newspaper, letter, map, poster, painting,
statue, computer, laptop, keyboard, telephone, camera, television, radio, headphones, guitar,
piano, violin, drum, trumpet, ball, bat, racket, skateboard, surfboard, skis, sled, kite, toy,
doll, balloon, umbrella, suitcase, backpack, handbag, wallet, key, knife, fork, spoon, plate, bowl,
cup, bottle, glass, pot, pan, kettle, oven, refrigerator, sink, bathtub, toilet, broom, bucket,
hammer, saw, screwdriver, drill, rope, ladder, box, basket, coin, ring, necklace, watch, glasses,
hat, cap, helmet, scarf, shirt, T-shirt, jacket, coat, dress, skirt, trousers, shorts, jeans, suit,
tie, glove, sock, shoe, boot, sandal""")
FOOD = _listed("""
bread, cake, pie, cookie, chocolate, ice cream, pizza, hamburger, sandwich, soup, salad,
pasta, rice, noodles, cheese, egg, sausage, steak, fish and chips, apple, banana, orange, lemon,
strawberry, grapes, cherry, pear, pineapple, tomato, potato, carrot, onion, pepper, mushroom, corn,
coffee, tea, juice, wine, beer""")
NATURE = _listed("""
tree, flower, rose, sunflower, tulip, leaf, grass, bush, cactus, palm tree, pine, moss,
mountain, hill, valley, rock, cliff, cave, volcano, island, beach, sea, lake, river, waterfall,
pond, desert, forest, field, meadow, garden, sky, cloud, rainbow, lightning, sunset, sunrise, moon,
star, snow, ice, fog, fire, smoke, shadow, reflection""")
PLACES = _listed("""
beach, street, park, forest, kitchen, bedroom, living room, bathroom, office, classroom,
library, museum, shop, market, restaurant, station, airport, harbour, factory, farm, garden, field,
mountain, river, lake, swimming pool, stadium, playground, desert, city, village, snow, water,
church, hospital, garage, stage, bridge, parking lot, roof""")
ACTIONS = _listed("""
running, jumping, sitting, standing, sleeping, eating, drinking, playing, swimming,
climbing, riding a bicycle, riding a horse, driving a car, reading a book, writing, singing,
dancing, playing football, playing the guitar, throwing a ball, catching a ball, cooking, cleaning,
painting, talking on the telephone, taking a photo, walking a dog, pushing a cart, carrying a bag,
holding an umbrella, looking at the camera, smiling, crying, waving, hugging, fishing, skiing,
surfing, digging, waiting""")
QUALITIES = _listed("""
red, blue, green, yellow, orange, purple, pink, brown, black, white, grey, golden,
silver, striped, spotted, checked, colourful, dark, bright, big, small, tall, short, long, round,
square, old, new, broken, clean, dirty, wet, dry, wooden, metal, plastic, glass, leather, woollen,
shiny, empty, full, open, closed, beautiful, cute, happy, sad, tired, angry""")
VIEWS = _listed("""
a photo of, a close-up of, a black and white photo of, a drawing of, a painting of,
an aerial view of, a blurry photo of, a night photo of, a picture of, a screenshot of""")
PLURALS = ["two", "three", "many", "several", "a group of"]
LIVING = [*PEOPLE, *ANIMALS]
NOUNS = [*LIVING, *THINGS, *FOOD, *NATURE]


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _plural(noun: str) -> str:
    irregular = {"man": "men", "woman": "women", "child": "children", "mouse": "mice"}
    whole, _, last = noun.rpartition(" ")
    if last in irregular:
        return f"{whole} {irregular[last]}".strip()
    if last.endswith(("s", "sh", "ch", "x")):
        return f"{noun}es"
    if last.endswith("y") and last[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def generic_queries(count: int, seed: int = 0) -> list[str]:
    """`count` different texts: nouns, places, actions and qualities alone, then phrases.

    The same for the same arguments; `count` may go to some 100,000.
    """
    random = np.random.default_rng(seed)

    def one(of: list[str]) -> str:
        return of[random.integers(len(of))]

    def a(of: list[str]) -> str:
        return _with_article(one(of))

    kinds: list[Callable[[], str]] = [
        lambda: f"{one(QUALITIES)} {one(NOUNS)}",
        lambda: f"{one(VIEWS)} {a(NOUNS)}",
        lambda: f"{one(PLURALS)} {_plural(one(LIVING))}",
        lambda: f"{a(LIVING)} {one(ACTIONS)}",
        lambda: f"{a(PEOPLE)} {one(ACTIONS)} in the {one(PLACES)}",
        lambda: f"{_with_article(one(QUALITIES))} {one(ANIMALS)} in front of {a(THINGS)}",
        lambda: f"{a(NOUNS)} and {a(NOUNS)}",
        lambda: f"{a(PEOPLE)} with {_with_article(one(QUALITIES))} {one(THINGS)}",
    ]
    alone = [*NOUNS, *PLACES, *ACTIONS, *QUALITIES]
    made = dict.fromkeys([*alone, *(f"a photo of {_with_article(noun)}" for noun in NOUNS)])
    # In turn, so that any count holds all kinds of phrase alike.
    for kind in itertools.cycle(kinds):
        if len(made) >= count:
            return list(made)[:count]
        made[kind()] = None
    raise AssertionError("a cycle does not end")
