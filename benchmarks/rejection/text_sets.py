"""Text queries that a library of Flickr8k's photographs has nothing for, to measure with.

None of their swapped-in nouns is among those that the gate's own voids are made of: names are those
of ImageNet's classes, and the gate's void makers are told to leave them alone (`forbidden`).
"""

import re
import string
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from retrieval.rejection.voids import fragments, nouns_of
from retrieval.rejection.words import SMALL, WordSupport, words_of

CODE = (
    "while queue: node = queue.pop(0)",
    "return sorted(rows, key=lambda row: row.date)",
    "public static void main(String[] args)",
    "const app = express(); app.listen(8080)",
    "ALTER TABLE users ADD COLUMN email TEXT",
    "printf('%d\\n', counter++);",
    "assert response.status_code == 404",
    "chmod -R 755 /var/www",
    "if err != nil { return nil, err }",
    "docker run --rm -it alpine sh",
    "let mut vec = Vec::new();",
    "KeyError: 'user_id'",
    "<div class='row'><span>",
    "npm install --save-dev typescript",
    "try: parse(line) except ValueError: pass",
    "x ^= x << 13; x ^= x >> 7",
)
RECEIPTS = (
    "amount due incl. VAT 19% 84.20 EUR",
    "cash tendered 50.00 change 3.75",
    "qty 2 @ 4.99 each",
    "merchant copy, signature required",
    "store 0412 register 7 cashier Anna",
    "your loyalty points balance 1,240",
    "refund only with original receipt",
    "discount coupon applied -1.50",
    "order total and shipping costs",
    "VISA debit ending 4471",
)
XRAY = (
    "cardiomegaly with bilateral pleural effusion",
    "no pneumothorax or focal consolidation",
    "comminuted fracture of the distal radius",
    "degenerative changes of the lumbar vertebrae",
    "endotracheal tube terminates above the carina",
    "hilar lymphadenopathy is noted",
    "lateral view of the chest shows clear costophrenic angles",
    "calcified granuloma in the right upper lobe",
    "osteophytes at the acromioclavicular joint",
    "impression: stable interstitial markings",
)
CIRCUITS = (
    "electrolytic capacitor 470 uF 25 V",
    "surface mount LED 0805 package",
    "JST connector, 2.0 mm pitch",
    "N-channel MOSFET with low gate charge",
    "crystal 16 MHz load 18 pF",
    "buck converter module 5 V 3 A",
    "breadboard jumper wires male to female",
    "zener clamp on the reset line",
    "I2C pull-up network",
    "ball grid array reflow profile",
)


def imagenet_names(data: Path) -> list[str]:
    """ImageNet's class names, from the sample's file names: `n01440764_tench.jpg`."""
    found = []
    for path in sorted((data / "imagenet_1k_sample").glob("*.*")):
        name = re.sub(r"^n\d+_", "", path.stem)
        found.append(name.replace("_", " ").strip().lower())
    return found


def absent_names(data: Path, captions: WordSupport) -> list[str]:
    """The names of which no caption mentions the last word, in one or many."""
    kept = []
    for name in imagenet_names(data):
        head = words_of(name)[-1] if words_of(name) else ""
        if head and not any(
            form in captions.holding for form in (head, f"{head}s", f"{head}es", head.rstrip("s"))
        ):
            kept.append(name)
    return kept


def swapped(
    texts: Sequence[str],
    swappable: Callable[[str], bool],
    names: Sequence[str],
    rng: np.random.Generator,
    *,
    fewest: int = 1,
) -> list[str]:
    """Each text with `fewest` swappable words or more, one of them swapped for one of `names`."""
    made = []
    for text in texts:
        words = words_of(text)
        places = [i for i, word in enumerate(words) if swappable(word)]
        if len(places) >= fewest:
            words[int(rng.choice(places))] = names[int(rng.integers(len(names)))]
            made.append(" ".join(words))
    return made


def gibberish(rng: np.random.Generator, count: int) -> list[str]:
    """Random letters."""
    letters = np.array(list(string.ascii_lowercase))
    return [
        " ".join(
            "".join(rng.choice(letters, size=int(rng.integers(3, 10))))
            for _ in range(int(rng.integers(1, 6)))
        )
        for _ in range(count)
    ]


def reserved_rare(captions: Sequence[str], seed: int = 7) -> list[str]:
    """Half of the rare nouns (2 to 20 times), kept for the test."""
    rare = sorted(word for word, count in nouns_of(captions).items() if 2 <= count <= 20)
    chosen = np.random.default_rng(seed).permutation(len(rare))[: len(rare) // 2]
    return [rare[i] for i in sorted(chosen.tolist())]


def text_sets(
    data: Path, train: Sequence[str], dev: Sequence[str], coco: Sequence[str]
) -> tuple[dict[str, list[str]], frozenset[str]]:
    """Unknown queries by set, and the words that no void may use."""
    rng = np.random.default_rng(11)
    support = WordSupport.counted(train)
    common = frozenset(word for word, count in nouns_of(train).items() if count >= 20)
    names = absent_names(data, support)
    rare = reserved_rare(train)
    sets = {
        "gibberish": gibberish(rng, 300),
        "code": list(CODE),
        "receipts, X-rays, circuits": [*RECEIPTS, *XRAY, *CIRCUITS],
        "absent noun": [f"a photo of a {name}" for name in names],
        "noun swapped for an absent one": swapped(dev, common.__contains__, names, rng),
        "noun swapped for a rare one": swapped(dev, common.__contains__, rare, rng),
        "another photo source": list(coco),
    }
    forbidden = frozenset(rare) | {word for name in names for word in words_of(name)}
    return sets, forbidden


def short_sets(
    data: Path, train: Sequence[str], dev: Sequence[str], seed: int = 5
) -> tuple[list[str], dict[str, list[str]]]:
    """Pieces of one to four words of the captions of `dev`, and unknown phrases by set."""
    rng = np.random.default_rng(seed)
    names = absent_names(data, WordSupport.counted(train))
    pieces = [piece for piece, _ in fragments(dev, rng)]
    letters = [text for text in gibberish(rng, 600) if len(text.split()) <= 4]

    def changed(words: Sequence[str]) -> list[str]:
        """Pieces that name more than one thing, one of them another."""
        return swapped(pieces, lambda word: word not in SMALL, words, rng, fewest=2)

    return pieces, {
        "gibberish": letters[:300],
        "NAME": names,
        "two NAMEs": [f"two {name}s" for name in names],
        "a photo of a NAME": [f"a photo of a {name}" for name in names],
        "piece, one word swapped for an absent noun": changed(names),
        "piece, one word swapped for a rare noun": changed(reserved_rare(train)),
    }
