"""ORACLE 4.2 against its loops, and what the branches promise."""

import math

import pytest
import torch
from torch import nn

from spectrum.oracle.branches import (
    RELATIONS,
    Branches,
    exchanged_branches,
    object_branch,
    pair_relations,
    relation_branch,
)
from spectrum.oracle.networks import learned_addition
from spectrum.projection import NearIdentity
from tests.references import oracle as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.oracle.scenes import (
    boxes,
    flags,
    looped_layers,
    looped_projection,
    tensor,
    unsettled,
)


def layers(given: int, made: int, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return unsettled(learned_addition(given, 3, made))


def test_relations_equal_the_loop() -> None:
    objects, given = normal(2, 5, 7, seed=1), boxes(2, 5, seed=2)
    made = pair_relations(objects, given)
    assert made.shape[-1] == RELATIONS
    for b in range(2):
        looped = loops.pair_relations(objects[b].tolist(), given[b].tolist())
        torch.testing.assert_close(made[b], tensor(looped))


def test_a_worked_relation() -> None:
    """l is as tall as k, twice as wide, and lies one width of k's to the right."""
    given = tensor([[[0.0, 0.0, 0.2, 0.5], [0.1, 0.0, 0.5, 0.5]]])
    made = pair_relations(tensor([[[1.0, 0.0], [3.0, 4.0]]]), given)[0, 0, 1]
    expected = [0.6, math.log(2), 0, math.log(2), 0, 0.05 / 0.25, 0]
    assert made.tolist() == pytest.approx(expected)


def test_relations_without_areas_are_finite() -> None:
    made = pair_relations(torch.zeros(1, 3, 7).double(), torch.zeros(1, 3, 4).double())
    assert made.isfinite().all().item()


def test_the_object_branch_equals_the_loop() -> None:
    objects, attention = normal(2, 5, 7, seed=1), normal(2, 5, 5, seed=2).softmax(dim=-1)
    network = unsettled(NearIdentity(7, 2))
    made = object_branch(objects, attention, network)
    for b in range(2):
        looped = loops.object_branch(
            objects[b].tolist(), attention[b].tolist(), looped_projection(network)
        )
        torch.testing.assert_close(made[b], tensor(looped))


def test_the_relation_branch_equals_the_loop() -> None:
    relations, network = normal(2, 5, 5, 7, seed=1), layers(7, 11)
    made = relation_branch(relations, flags("11111", "11111"), network)
    for b in range(2):
        looped = loops.relation_branch(relations[b].tolist(), looped_layers(network))
        torch.testing.assert_close(made[b], tensor(looped))


def test_objects_that_are_not_real_have_no_relations() -> None:
    relations, network = normal(2, 5, 5, 7, seed=1), layers(7, 11)
    made = relation_branch(relations, flags("11010", "00000"), network)
    kept = torch.tensor([0, 1, 3])
    looped = loops.relation_branch(relations[0][kept][:, kept].tolist(), looped_layers(network))
    torch.testing.assert_close(made[0, kept], tensor(looped))
    assert made[1].abs().max().item() == 0


def test_the_exchange_equals_the_loop() -> None:
    branches = Branches(normal(2, 5, 7, seed=1), normal(2, 5, 3, seed=2))
    networks = layers(10, 7), layers(10, 3, seed=1)
    made = exchanged_branches(branches, (0.3, -0.7), networks)
    for b in range(2):
        looped = loops.exchanged_branches(
            branches.objects[b].tolist(),
            branches.relations[b].tolist(),
            [0.3, -0.7],
            [looped_layers(network) for network in networks],
        )
        for found, wanted in zip(made, looped, strict=True):
            torch.testing.assert_close(found[b], tensor(wanted))


def test_a_worked_exchange_from_the_old_values() -> None:
    """Each adds the other: 1 and 10 become 11 and 11, and not 11 and 21."""
    branches = Branches(tensor([[[1.0]]]), tensor([[[10.0]]]))
    made = exchanged_branches(branches, (1.0, 1.0), (lambda x: x[..., 1:], lambda x: x[..., 1:]))
    assert [each.item() for each in made] == [11, 11]


def test_branches_that_do_not_listen_stay() -> None:
    branches = Branches(normal(2, 5, 7, seed=1), normal(2, 5, 3, seed=2))
    made = exchanged_branches(branches, (0.0, 0.0), (layers(10, 7), layers(10, 3)))
    for old, new in zip(branches, made, strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=0)


def test_gradients_are_finite_where_boxes_are_equal() -> None:
    given = boxes(1, 1, seed=2).expand(-1, 3, -1).clone().requires_grad_()
    objects = normal(1, 3, 7, seed=1).requires_grad_()
    made = pair_relations(objects, given)
    for gradient in torch.autograd.grad(made.square().sum(), (objects, given)):
        assert gradient.isfinite().all().item()


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    objects = torch.zeros(2, 5, 7)
    with pytest.raises(
        ValueError, match=r"^attention has shape \(2, 5, 4\), expected \(2, 5, 5\)$"
    ):
        object_branch(objects, torch.zeros(2, 5, 4), nn.Identity())
    with pytest.raises(ValueError, match=r"^object_mask has shape \(1, 5\), expected \(2, 5\)$"):
        relation_branch(torch.zeros(2, 5, 5, 7), flags("11111"), nn.Identity())
    with pytest.raises(
        ValueError, match=r"^network\(\[B; B_other\]\) has shape \(2, 5, 14\), expecte"
    ):
        exchanged_branches(Branches(objects, objects), (1.0, 1.0), (nn.Identity(), nn.Identity()))
