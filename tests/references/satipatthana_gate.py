"""Word statistics of the gate from their definitions: loops over strings."""

import math

DISCOUNT = 0.75


def padded(words: list[str]) -> list[str]:
    return ["<s>", "<s>", *words, "</s>"]


def log_probability(captions: list[list[str]], word: str, before: tuple[str, str]) -> float:
    """Absolute discounting of triples, then pairs, then words; unseen words are half seen."""
    total = sum(len(words) + 1 for words in captions)
    ones = sum(padded(words)[2:].count(word) for words in captions)
    found = max(ones, 0.5) / total
    for context in ((before[1],), before):
        seen, count, follows = 0, 0, set()
        for words in captions:
            row = padded(words)
            for i in range(len(row)):
                if i < 2:
                    continue
                if tuple(row[i - len(context) : i]) == context:
                    seen += 1
                    follows.add(row[i])
                    count += row[i] == word
        if seen:
            left = DISCOUNT * len(follows) / seen
            found = max(count - DISCOUNT, 0.0) / seen + left * found
    return math.log(found)


def positive_information(
    captions: list[list[str]], words: list[str], silent: frozenset[str], power: float
) -> dict[tuple[str, str], float]:
    """max(0, log p(a, b) / (p(a) q(b))) of words of one caption, q(b) like n(b)^power."""
    count: dict[tuple[str, str], int] = {}
    for caption in captions:
        for a in set(caption) - silent:
            for b in set(caption) - silent:
                if a != b and a in words and b in words:
                    count[a, b] = count.get((a, b), 0) + 1
    total = sum(count.values())
    of = {a: sum(n for (b, _), n in count.items() if b == a) for a in words}
    powers = {a: n**power for a, n in of.items() if n}
    found = {}
    for (a, b), n in count.items():
        context = powers[b] / sum(powers.values())
        value = math.log((n / total) / ((of[a] / total) * context))
        if value > 0:
            found[a, b] = value
    return found
