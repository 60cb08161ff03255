"""ORACLE 4.1 against its loops, and what objects promise."""

import math

import pytest
import torch
from torch import nn

from spectrum.oracle.objects import (
    box_means,
    hierarchical_features,
    object_attention,
    object_features,
)
from spectrum.projection import NearIdentity
from tests.references import oracle as loops
from tests.spectrum.harmony.vectors import normal
from tests.spectrum.oracle.scenes import boxes, flags, looped_projection, tensor, unsettled


def test_object_features_equal_the_loop() -> None:
    """Boxes whose sides are whole numbers of the loop's points, so that it is exact."""
    grid, network = normal(2, 3, 5, 7, seed=1), unsettled(NearIdentity(7, 2))
    # In cells of the 3 rows and 5 columns: left, top, right, bottom.
    cells = tensor([[0, 0, 5, 3], [0.5, 0.25, 3.0, 2.75], [1.25, 1.5, 2.5, 2.0], [4.2, 2, 4.7, 3]])
    given = (cells / tensor([5, 3, 5, 3])).expand(2, -1, -1)
    made = object_features(grid, given, network)
    for b in range(2):
        looped = loops.object_features(
            grid[b].tolist(), given[b].tolist(), looped_projection(network)
        )
        torch.testing.assert_close(made[b], tensor(looped))


def test_worked_boxes() -> None:
    """Tokens 1, 2 above 3, 4: a cell, half of each of two, the whole, less than a cell."""
    grid = tensor([[[[1.0], [2.0]], [[3.0], [4.0]]]])
    given = tensor([[[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], [0, 0, 1, 1], [0.6, 0.6, 0.7, 0.9]]])
    assert box_means(grid, given).flatten().tolist() == pytest.approx([1, 1.5, 2.5, 4])


def test_the_whole_frame_is_the_mean_token_and_no_area_is_nothing() -> None:
    grid = normal(2, 3, 5, 7, seed=1)
    whole = tensor([[[0.0, 0, 1, 1], [0.4, 0.4, 0.4, 0.9]]] * 2)
    made = box_means(grid, whole)
    torch.testing.assert_close(made[:, 0], grid.mean(dim=(1, 2)))
    assert made[:, 1].abs().max().item() == 0


def test_parts_of_a_box_make_up_its_mean() -> None:
    """Split anywhere, the parts' means weighted by their areas are the whole's."""
    grid = normal(1, 3, 5, 7, seed=1)
    parts = tensor([[[0.1, 0.2, 0.9, 0.8], [0.1, 0.2, 0.33, 0.8], [0.33, 0.2, 0.9, 0.8]]])
    whole, left, right = box_means(grid, parts)[0]
    torch.testing.assert_close(whole, (0.23 * left + 0.57 * right) / 0.8)


def test_object_attention_equals_the_loop() -> None:
    queries, keys = normal(2, 5, 7, seed=1), normal(2, 5, 7, seed=2)
    made = object_attention(queries, keys, flags("11111", "11111"))
    for b in range(2):
        looped = loops.object_attention(queries[b].tolist(), keys[b].tolist())
        torch.testing.assert_close(made[b], tensor(looped))
    torch.testing.assert_close(made.sum(dim=-1), torch.ones(2, 5).double())


def test_objects_that_are_not_real_get_no_attention() -> None:
    queries, keys = normal(2, 5, 7, seed=1), normal(2, 5, 7, seed=2)
    made = object_attention(queries, keys, flags("11010", "00000"))
    kept = torch.tensor([0, 1, 3])
    looped = loops.object_attention(queries[0, kept].tolist(), keys[0, kept].tolist())
    torch.testing.assert_close(made[0][kept][:, kept], tensor(looped))
    assert made[0][:, [2, 4]].abs().max().item() == 0
    assert made[1].abs().max().item() == 0


def test_a_worked_attention() -> None:
    """d = 4: Q . K = 2 log 3 is a logit of log 3."""
    queries, keys = tensor([[[2.0, 0, 0, 0]] * 2]), tensor([[[math.log(3), 0, 0, 0], [0, 1, 0, 0]]])
    made = object_attention(queries, keys, flags("11"))
    torch.testing.assert_close(made, tensor([[[0.75, 0.25]] * 2]))


def test_hierarchical_features_equal_the_loop() -> None:
    image, objects = normal(2, 7, seed=1), normal(2, 5, 7, seed=2)
    weights = normal(2, 5, seed=3).softmax(dim=-1)
    made = hierarchical_features(image, objects, weights, 0.3)
    for b in range(2):
        looped = loops.hierarchical_features(
            image[b].tolist(), objects[b].tolist(), weights[b].tolist(), 0.3
        )
        torch.testing.assert_close(made[b], tensor(looped))
    whole = hierarchical_features(image, objects, weights, 1.0)
    torch.testing.assert_close(whole, image)


@pytest.mark.parametrize("count", [0, 5])
def test_an_image_without_objects_stays_bit_for_bit(count: int) -> None:
    image, objects = normal(2, 7, seed=1), normal(2, count, 7, seed=2)
    made = hierarchical_features(image, objects, torch.zeros(2, count).double(), 0.3)
    assert torch.equal(made, image)
    assert loops.hierarchical_features([1.0], [], [], 0.3) == [1.0]


def test_gradients_are_derivatives() -> None:
    grid, given = normal(1, 3, 2, 2, seed=1).requires_grad_(), boxes(1, 3, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(box_means, (grid, given))


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    grid = torch.zeros(2, 3, 5, 7)
    with pytest.raises(
        ValueError, match=r"^boxes have shape \(1, 4, 4\) for 2 images: give K boxe"
    ):
        object_features(grid, torch.zeros(1, 4, 4), nn.Identity())
    for wrong in ([0.5, 0, 0.2, 1], [0, 0, 1.2, 1], [-0.1, 0, 1, 1], [0, math.nan, 1, 1]):
        given = torch.tensor([[[0.0, 0, 1, 1]] * 2, [[0.0, 0, 1, 1], wrong]])
        with pytest.raises(
            ValueError, match=r"^box 1 of image 1 is \(.*\): give left, top, right, b"
        ):
            object_features(grid, given, nn.Identity())
    with pytest.raises(ValueError, match=r"^object_mask has shape \(1, 5\), expected \(2, 5\)$"):
        object_attention(grid[:, 0], grid[:, 0], flags("11111"))
    with pytest.raises(ValueError, match=r"^weights has shape \(2, 4\), expected \(2, 5\)$"):
        hierarchical_features(grid[:, 0, 0], grid[:, 0], torch.zeros(2, 4), 0.5)
