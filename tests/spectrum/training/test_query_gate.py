"""The query gate: worked numbers, what it promises, and that it learns what can be learnt."""

import math

import numpy as np
import pytest
import torch

from spectrum.training.heads import joined
from spectrum.training.query_gate import (
    GateShape,
    GateTraining,
    QueryGate,
    gate_accuracy,
    gate_lessons,
    gated,
    trained_gate,
)

QUICK = GateTraining(steps=60, batch=32, learning_rate=1e-2)


def units(rows: int, width: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True))


def two_kinds(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors on both sides of a plane: half of 11 dimensions lean one way or the other."""
    names, sentences = units(rows, 11, seed), units(rows, 11, seed + 1)
    names[:, 3], sentences[:, 3] = np.abs(names[:, 3]) + 0.3, -np.abs(sentences[:, 3]) - 0.3
    return tuple(v / np.linalg.norm(v, axis=1, keepdims=True) for v in (names, sentences))


def test_a_share_by_hand() -> None:
    """A logit of log 3 is a probability of 3/4: .2 + .4 * 3/4 = .5."""
    gate = QueryGate(2, GateShape(caption_share=0.2, name_share=0.6, hidden=0))
    with torch.no_grad():
        gate.decide[0].weight.copy_(torch.tensor([[math.log(3.0), 0.0]]))
        gate.decide[0].bias.zero_()
    shares = gate(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
    assert shares.tolist() == pytest.approx([0.5, 0.4, 0.3])


@pytest.mark.parametrize("hidden", [0, 5])
def test_shares_stay_in_their_range(hidden: int) -> None:
    torch.manual_seed(0)
    shape = GateShape(hidden=hidden, caption_share=0.15, name_share=0.6)
    gate = QueryGate(7, shape)
    shares = gate(100 * torch.randn(50, 7)).detach()
    assert float(shares.min()) >= 0.15 - 1e-6
    assert float(shares.max()) <= 0.6 + 1e-6


def test_a_gated_vector_has_length_one_and_the_similarity_of_the_equation() -> None:
    captions, nouns = torch.from_numpy(units(4, 5, 0)), torch.from_numpy(units(4, 3, 1))
    images = torch.from_numpy(units(4, 5, 2)), torch.from_numpy(units(4, 3, 3))
    share, fixed = torch.tensor([0.0, 0.15, 0.6, 1.0]), 0.15
    made = gated(captions, nouns, share)
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(4))
    similarity = (made * joined(*images, fixed)).sum(dim=-1).tolist()
    for row, g in enumerate(share.tolist()):
        wanted = math.sqrt((1 - g) * (1 - fixed)) * float(captions[row] @ images[0][row])
        wanted += math.sqrt(g * fixed) * float(nouns[row] @ images[1][row])
        assert similarity[row] == pytest.approx(wanted, abs=1e-6)


def test_the_fixed_share_is_a_gate_that_never_moves() -> None:
    captions, nouns = torch.from_numpy(units(3, 5, 0)), torch.from_numpy(units(3, 2, 1))
    torch.testing.assert_close(
        gated(captions, nouns, torch.full((3,), 0.15)), joined(captions, nouns, 0.15)
    )


@pytest.mark.parametrize("hidden", [0, 8])
def test_it_tells_unseen_names_from_unseen_sentences(hidden: int) -> None:
    shape = GateShape(hidden=hidden)
    training = GateTraining(shape=shape, steps=150, batch=64, learning_rate=3e-2)
    gate = trained_gate(*two_kinds(200, 0), training)
    assert min(gate_accuracy(gate, *two_kinds(50, 7))) > 0.95


def test_many_more_sentences_than_names_do_not_tip_it() -> None:
    names, sentences = two_kinds(400, 0)
    gate = trained_gate(names[:20], sentences, QUICK)
    assert min(gate_accuracy(gate, *two_kinds(50, 7))) > 0.9


def test_accuracy_counts_each_kind() -> None:
    gate = QueryGate(1, GateShape(hidden=0))
    with torch.no_grad():
        gate.decide[0].weight.fill_(1.0)
        gate.decide[0].bias.zero_()
    names = np.array([[1.0], [1.0], [-1.0], [1.0]], dtype=np.float32)
    assert gate_accuracy(gate, names, -names) == (0.75, 0.75)


def test_short_pieces_of_captions_are_no_lesson() -> None:
    texts = {
        "nouns": ["owl"],
        "train": ["an owl in a tree"],
        "coco": ["a dog"],
        "phrases": ["the owl", "owl in a"],
        "coco_phrases": ["dog on the", "a dog"],
    }
    vectors = {
        kind: np.array([[len(text)] for text in said], dtype=np.float32)
        for kind, said in texts.items()
    }
    names, sentences = gate_lessons(texts, vectors)
    assert names[:, 0].tolist() == [3]
    assert sentences[:, 0].tolist() == [16, 5, 8, 10]


def test_one_seed_one_gate() -> None:
    first, second = (trained_gate(*two_kinds(50, 0), QUICK).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"caption_share": 0.98}, "got 0.98 and 0.97"),
        ({"name_share": 1.2}, "got 0.01 and 1.2"),
        ({"hidden": -1}, "hidden must not be negative, got -1"),
    ],
)
def test_impossible_shapes_are_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GateShape(**limits)
