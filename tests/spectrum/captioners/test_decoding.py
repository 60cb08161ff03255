"""Greedy and beam search over a model whose next word depends on the last one alone."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectrum.captioners.decoding import Past, Search, Sentence, beam, decoded

NOTHING = np.zeros((1, 1, 1, 0, 1), dtype=np.float32)
TABLES = st.integers(0, 10_000).map(
    lambda seed: np.log(np.random.default_rng(seed).dirichlet(np.full(6, 0.4), size=6) + 1e-6)
)


class Chain:
    """Words that follow one another with the probabilities of a table."""

    def __init__(self, table: np.ndarray) -> None:
        self.table = table.astype(np.float32)

    def __call__(self, past: Past, words: np.ndarray) -> tuple[np.ndarray, Past]:
        # What it remembers are the words themselves, so that a mix-up of sentences is seen.
        said = words.astype(np.float32).reshape(1, -1, 1, 1, 1)
        remembered = np.concatenate([past[0], said], axis=3)
        return self.table[words], (remembered, remembered)

    def log_prob(self, ids: tuple[int, ...], *, ended: bool) -> float:
        pairs = itertools.pairwise((0, *ids, *([0] if ended else [])))
        return float(sum(self.table[last, word] for last, word in pairs))


def plain_greedy(table: np.ndarray, longest: int) -> tuple[int, ...]:
    """The likeliest next word, again and again."""
    ids: list[int] = []
    while len(ids) < longest:
        row = table[ids[-1] if ids else 0].copy()
        row[1] = -np.inf
        row[ids[-1] if ids else 0] = -np.inf
        word = int(row.argmax())
        if word == 0:
            break
        ids.append(word)
    return tuple(ids)


@given(TABLES, st.integers(1, 7))
def test_a_beam_of_one_is_greedy_search(table: np.ndarray, longest: int) -> None:
    chain = Chain(table)
    search = Search(longest=longest)
    (found,) = beam(chain, (NOTHING, NOTHING), 1, search)
    assert found.ids == plain_greedy(chain.table, longest)
    assert decoded(chain, (NOTHING, NOTHING), 1, search) == found


@given(TABLES, st.integers(1, 6), st.integers(1, 6), st.sampled_from([0.0, 0.7, 1.0]))
def test_a_wider_search_is_never_worse(
    table: np.ndarray, longest: int, width: int, power: float
) -> None:
    chain, search = Chain(table), Search(longest=longest, length_power=power)
    greedy = decoded(chain, (NOTHING, NOTHING), 1, search)
    wide = decoded(chain, (NOTHING, NOTHING), width, search)
    assert wide.likelihood(power) >= greedy.likelihood(power)
    assert 1 <= len(wide.ids) <= longest
    assert wide.mean_log_prob <= 0.0
    assert wide.log_prob == pytest.approx(chain.log_prob(wide.ids, ended=True), abs=1e-4)
    assert wide.length == len(wide.ids) + 1


@given(TABLES)
def test_a_beam_as_wide_as_all_sentences_finds_the_likeliest(table: np.ndarray) -> None:
    chain = Chain(table)
    possible = [
        ids
        for length in (1, 2, 3)
        for ids in itertools.product(range(2, 6), repeat=length)
        if all(one != other for one, other in itertools.pairwise(ids))
    ]
    best = max(chain.log_prob(ids, ended=True) for ids in possible)
    found = decoded(chain, (NOTHING, NOTHING), 300, Search(longest=3))
    assert found.log_prob == pytest.approx(best, abs=1e-4)


def test_the_past_follows_its_sentence() -> None:
    """Two sentences that cross: the third step must see what each of them said before."""
    seen = []

    class Witness(Chain):
        def __call__(self, past: Past, words: np.ndarray) -> tuple[np.ndarray, Past]:
            made = super().__call__(past, words)
            seen.append(made[1][0][0, :, 0, :, 0].tolist())
            return made

    # 0 -> 2 or 3 alike; 2 -> 4, 3 -> 5 surely; 5 -> end; 4 -> 5.
    table = np.full((6, 6), 1e-6)
    for last, word, chance in (
        (0, 2, 0.49),
        (0, 3, 0.51),
        (2, 4, 1),
        (3, 5, 1),
        (5, 0, 1),
        (4, 5, 1),
    ):
        table[last, word] = chance
    found = beam(Witness(np.log(table)), (NOTHING, NOTHING), 2, Search(longest=5))
    assert [sentence.ids for sentence in found] == [(3, 5), (2, 4, 5)]
    assert seen == [[[0]], [[0, 3], [0, 2]], [[0, 3, 5], [0, 2, 4]], [[0, 2, 4, 5]]]


def test_likelihood_of_a_worked_example() -> None:
    sentence = Sentence(ids=(5, 6, 7), log_prob=math.log(1 / 16), length=4)
    assert sentence.mean_log_prob == pytest.approx(math.log(1 / 2))
    assert sentence.likelihood(0.0) == pytest.approx(math.log(1 / 16))
    assert sentence.likelihood(1.0) == pytest.approx(math.log(1 / 2))


def test_ties_go_to_the_word_that_comes_first() -> None:
    table = np.log(np.array([[0.1, 0.1, 0.4, 0.4]] + [[1.0, 1e-6, 1e-6, 1e-6]] * 3))
    assert decoded(Chain(table), (NOTHING, NOTHING), 1, Search()).ids == (2,)
    assert decoded(Chain(table), (NOTHING, NOTHING), 2, Search()).ids == (2,)


def test_no_sentence_is_empty_or_says_a_word_twice_in_a_row() -> None:
    """Left to itself this model would end at once, and then stammer."""
    table = np.log(np.array([[0.9, 0.05, 0.05, 1e-3]] + [[0.01, 1e-3, 0.5, 0.1]] * 3))
    assert decoded(Chain(table), (NOTHING, NOTHING), 1, Search(longest=4)).ids == (2, 3, 2, 3)
