"""The stack: what it promises about modules, neighbours, batches and blocks."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from spectrum.stack.config import LAYERS, PER_IMAGE, Layer, StackConfig
from spectrum.stack.integration import layer_weights
from spectrum.stack.protocol import MODULES, Module
from spectrum.stack.stack import Grids, Stack, layer_mask
from tests.references import stack as loops
from tests.spectrum.stack.stacks import (
    NEIGHBOURS,
    SEMANTIC,
    TOKENS,
    VISUAL,
    all_real,
    fresh_stack,
    grids,
    neighbourhoods,
    random_stack,
    small_config,
    unit,
    vectors,
)

CLOSE = {"atol": 1e-5, "rtol": 0.0}


def picked(given: Grids, rows: list[int]) -> Grids:
    return Grids(given.tokens[rows], given.boxes[rows], given.object_mask[rows])


def lengths(made: Tensor) -> Tensor:
    blocks = made[..., :SEMANTIC], made[..., SEMANTIC:]
    return torch.stack([block.norm(dim=-1) for block in blocks if block.shape[-1]])


@torch.no_grad()
def test_a_stack_without_modules_returns_the_vector_bit_for_bit() -> None:
    stack, features = random_stack(), vectors(3)
    assert torch.equal(stack.local(features, stack.readings(features, grids(3)), ()), features)
    local, prompts = neighbourhoods(3)
    assert torch.equal(stack.refined(local, prompts, all_real(3), ()), local[:, 0])


@torch.no_grad()
@pytest.mark.parametrize("module", PER_IMAGE)
def test_a_module_of_phase_one_alone_shares_the_weight_with_the_encoder(module: Module) -> None:
    stack, features = random_stack(), vectors(3)
    readings = stack.readings(features, grids(3))
    logits = stack.gates(features)[0]
    share = (logits[:, LAYERS.index(module)] - logits[:, 0]).sigmoid()[:, None]
    semantic = features[:, :SEMANTIC]
    mixed = (1 - share) * semantic + share * getattr(readings, module)
    made = stack.local(features, readings, (module,))
    torch.testing.assert_close(made[:, :SEMANTIC], functional.normalize(mixed, dim=-1))
    assert torch.equal(made[:, SEMANTIC:], features[:, SEMANTIC:])
    local, prompts = neighbourhoods(3)
    assert torch.equal(stack.refined(local, prompts, all_real(3), (module,)), local[:, 0])


@torch.no_grad()
@pytest.mark.parametrize("module", ["castle", "prism"])
def test_a_module_of_phase_two_alone_shares_the_weight_with_the_encoder(module: Module) -> None:
    stack, features = random_stack(), vectors(3)
    assert torch.equal(
        stack.local(features, stack.readings(features, grids(3)), (module,)), features
    )
    local, prompts = neighbourhoods(3)
    anchors, scales, real = local[:, 0], stack.block_scales, all_real(3)
    moved = (
        stack.castle(local * scales, real)
        if module == "castle"
        else stack.prism(local * scales, prompts * scales[:SEMANTIC], real)
    ) / scales
    logits = stack.gates(anchors)
    share = (logits[..., LAYERS.index(module)] - logits[..., 0]).sigmoid()
    made = stack.refined(local, prompts, real, (module,))
    for task, block in enumerate((slice(0, SEMANTIC), slice(SEMANTIC, None))):
        mixed = anchors[:, block] + share[task, :, None] * moved[:, block]
        torch.testing.assert_close(made[:, block], functional.normalize(mixed, dim=-1))


@torch.no_grad()
def test_phase_one_is_the_loops_sum_of_the_layers_that_see_an_image_by_itself() -> None:
    stack, features = random_stack(), vectors(3)
    readings = stack.readings(features, grids(3))
    layers: tuple[Layer, ...] = ("encoder", *PER_IMAGE)
    logits = stack.gates(features)[0].double()
    weights = loops.layer_weights(logits.tolist(), layer_mask(layers).tolist())
    read = [features[:, :SEMANTIC], readings.nexus, readings.oracle, readings.harmony]
    kept = [[row[LAYERS.index(layer)] for layer in layers] for row in weights]
    summed = torch.tensor(loops.integrated_features([rows.tolist() for rows in read], kept))
    made = stack.local(features, readings)[:, :SEMANTIC]
    torch.testing.assert_close(made, functional.normalize(summed, dim=-1))


@torch.no_grad()
def test_every_subset_gives_blocks_of_unit_length() -> None:
    stack, features, given = random_stack(), vectors(3), grids(3)
    local, prompts = neighbourhoods(3)
    for size in range(6):
        for modules in itertools.combinations(MODULES, size):
            read = stack.readings(features, given, modules)
            for made in (
                stack.local(features, read, modules),
                stack.refined(local, prompts, all_real(3), modules),
            ):
                torch.testing.assert_close(lengths(made), torch.ones(2, 3))


@torch.no_grad()
def test_a_module_that_is_left_out_is_not_read_and_changes_no_other() -> None:
    stack, features, given = random_stack(), vectors(3), grids(3)
    everything = stack.readings(features, given)
    for module in PER_IMAGE:
        read = stack.readings(features, given, (module,))
        assert torch.equal(getattr(read, module), getattr(everything, module))
        for other in set(PER_IMAGE) - {module}:
            assert torch.equal(getattr(read, other), features[:, :SEMANTIC])
    assert torch.equal(stack.readings(features, given, ("prism",)).prompts, everything.prompts)


@torch.no_grad()
def test_an_image_is_read_the_same_in_any_batch() -> None:
    stack, features, given = random_stack(), vectors(7), grids(7)
    whole = stack.local(features, stack.readings(features, given))
    for rows in ([4], [6, 0, 4], [2, 3, 1, 5]):
        part = stack.local(features[rows], stack.readings(features[rows], picked(given, rows)))
        torch.testing.assert_close(part, whole[rows], **CLOSE)


@torch.no_grad()
def test_an_anchor_is_refined_the_same_in_any_batch() -> None:
    stack = random_stack()
    local, prompts = neighbourhoods(7)
    whole = stack.refined(local, prompts, all_real(7))
    for rows in ([4], [6, 0, 4], [2, 3, 1, 5]):
        part = stack.refined(local[rows], prompts[rows], all_real(len(rows)))
        torch.testing.assert_close(part, whole[rows], **CLOSE)


@torch.no_grad()
def test_the_order_of_the_neighbours_changes_nothing() -> None:
    stack = random_stack()
    local, prompts = neighbourhoods(2)
    whole = stack.refined(local, prompts, all_real(2))
    for order in itertools.permutations(range(1, 1 + NEIGHBOURS)):
        rows = [0, *order]
        made = stack.refined(local[:, rows], prompts[:, rows], all_real(2))
        torch.testing.assert_close(made, whole, **CLOSE)


@torch.no_grad()
def test_members_that_are_not_real_change_nothing() -> None:
    stack = random_stack()
    local, prompts = neighbourhoods(2)
    few = stack.refined(local[:, :3], prompts[:, :3], all_real(2, 3))
    mask = all_real(2)
    mask[:, 3] = False
    for noise in (0.0, 1.0, 100.0):
        local[:, 3], prompts[:, 3] = noise * vectors(2, seed=8), noise * unit(2, SEMANTIC, seed=9)
        torch.testing.assert_close(stack.refined(local, prompts, mask), few, **CLOSE)


@torch.no_grad()
def test_an_image_without_neighbours_stays_finite_and_of_unit_length() -> None:
    stack = random_stack(small_config(neighbours=0))
    local, prompts = neighbourhoods(2, neighbours=0)
    made = stack.refined(local, prompts, all_real(2, 1))
    torch.testing.assert_close(lengths(made), torch.ones(2, 2))


@torch.no_grad()
def test_before_training_an_image_without_neighbours_stays_as_it_is_for_castle() -> None:
    stack = fresh_stack(small_config(neighbours=0)).eval()
    local, prompts = neighbourhoods(2, neighbours=0)
    made = stack.refined(local, prompts, all_real(2, 1), ("castle",))
    torch.testing.assert_close(made, local[:, 0], **CLOSE)


@torch.no_grad()
def test_what_an_image_looks_like_does_not_touch_what_words_find_where_it_must_not() -> None:
    """NEXUS and ORACLE read the grid; the encoder's semantic block is the encoder's."""
    stack, given = fresh_stack().eval(), grids(3)
    features, others = vectors(3), vectors(3)
    others[:, SEMANTIC:] = unit(3, VISUAL, seed=77)
    for modules in ((), ("nexus",), ("oracle",), ("nexus", "oracle")):
        made, other = (
            stack.local(each, stack.readings(each, given, modules), modules)
            for each in (features, others)
        )
        assert torch.equal(made[:, :SEMANTIC], other[:, :SEMANTIC])


@torch.no_grad()
def test_phase_one_leaves_what_images_ask_for_bit_for_bit() -> None:
    stack, features = random_stack(), vectors(3)
    made = stack.local(features, stack.readings(features, grids(3)))
    assert torch.equal(made[:, SEMANTIC:], features[:, SEMANTIC:])


@torch.no_grad()
def test_an_encoder_without_a_visual_block_is_refined() -> None:
    stack = random_stack(small_config(visual=0))
    features = vectors(3, visual=0)
    made = stack.local(features, stack.readings(features, grids(3)))
    torch.testing.assert_close(made.norm(dim=-1), torch.ones(3))
    local, prompts = neighbourhoods(3, visual=0)
    refined = stack.refined(local, prompts, all_real(3))
    torch.testing.assert_close(refined.norm(dim=-1), torch.ones(3))
    assert refined.shape == (3, SEMANTIC)
    assert stack.block_scales.tolist() == [1] * SEMANTIC


def test_a_visual_block_that_counts_nothing_stays_and_has_gradients() -> None:
    config = StackConfig(
        semantic_width=SEMANTIC, visual_width=VISUAL, token_width=TOKENS, visual_weight=0.0
    )
    stack = random_stack(config)
    local, prompts = neighbourhoods(2)
    made = stack.refined(local.requires_grad_(), prompts, all_real(2))
    torch.testing.assert_close(made[:, SEMANTIC:], local[:, 0, SEMANTIC:])
    (gradient,) = torch.autograd.grad(made.square().sum(), local)
    assert gradient.isfinite().all().item()


@torch.no_grad()
def test_stored_vectors_times_their_scales_have_unit_length() -> None:
    stack = random_stack()
    likeness = vectors(3) * stack.block_scales
    torch.testing.assert_close(likeness.norm(dim=-1), torch.ones(3))
    shares = likeness[:, SEMANTIC:].square().sum(dim=-1)
    torch.testing.assert_close(shares, torch.full((3,), stack.config.visual_weight))


@torch.no_grad()
def test_weights_start_where_the_configuration_says_whatever_the_image() -> None:
    stack, config = fresh_stack(), small_config()
    made = stack.task_weights(vectors(3))
    for task, start in enumerate((config.semantic_start, config.visual_start)):
        wanted = torch.tensor([start[layer] for layer in LAYERS])
        torch.testing.assert_close(made[task], wanted.expand(3, -1))
    moved = random_stack()
    mask = layer_mask(("encoder", "castle"))
    few = moved.task_weights(vectors(3), ("castle",))
    torch.testing.assert_close(few[1], layer_weights(moved.gates(vectors(3))[1], mask))


def test_every_parameter_that_refines_learns() -> None:
    """What asks for an intent and what aligns in training are used elsewhere."""
    torch.manual_seed(0)
    stack = random_stack().train()
    features, given = vectors(5), grids(5)
    readings = stack.readings(features, given)
    local = stack.local(features, readings)
    members = torch.stack([local.roll(place, 0) for place in range(4)], dim=1)
    prompts = torch.stack([readings.prompts.roll(place, 0) for place in range(4)], dim=1)
    # The sum of squares of unit vectors is constant: a fixed direction in its place.
    refined = stack.refined(members, prompts, all_real(5))
    torch.autograd.backward((refined * vectors(5, seed=50)).sum())
    elsewhere = ("prism.intent_network", "prism.visual_", "prism.textual_", "prism.log_sharpness")
    unused = [
        name
        for name, parameter in stack.named_parameters()
        if parameter.grad is None and not name.startswith((*elsewhere, "prism.strength"))
    ]
    assert unused == []


@pytest.mark.usefixtures("without_shape_hook")
def test_what_does_not_fit_is_refused() -> None:
    stack = random_stack()
    with pytest.raises(ValueError, match=r"^features has shape \(3, 7\), expected \(3, 12\)$"):
        stack.readings(vectors(3, visual=0), grids(3))
    local, prompts = neighbourhoods(2)
    mask = all_real(2)
    mask[1, 0] = False
    with pytest.raises(ValueError, match="^member_mask hides the anchor of neighbourhood 1: membe"):
        stack.refined(local, prompts, mask)
    with pytest.raises(ValueError, match=r"^features have width 7, this SPECTRUM was built for 12"):
        stack.refined(local[..., :SEMANTIC], prompts, all_real(2))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"semantic_width": 0}, "semantic_width must be at least 1, got 0"),
        ({"visual_width": -1}, "visual_width must be at least 0, got -1"),
        ({"neighbours": -1}, "neighbours must be at least 0, got -1"),
        ({"visual_weight": 1.0}, r"visual_weight must lie in \[0, 1\), got 1.0"),
        ({"castle_temperature": 0.0}, "castle_temperature must be above 0, got 0.0"),
        ({"semantic_start": {"encoder": 1.0}}, "semantic_start must name encoder, castle, prism"),
        ({"visual_start": dict.fromkeys(LAYERS, 0.2)}, "visual_start must sum to 1, got 1.2"),
    ],
)
def test_a_configuration_that_is_none_is_refused(given: dict[str, object], said: str) -> None:
    widths = {"semantic_width": 7, "visual_width": 5, "token_width": 11}
    with pytest.raises(ValueError, match=f"^{said}"):
        StackConfig(**{**widths, **given})  # type: ignore[arg-type]


def test_a_stack_is_a_module_of_torch_that_copies() -> None:
    first, second = random_stack(seed=1), random_stack(seed=2)
    second.load_state_dict(first.state_dict())
    with torch.no_grad():
        local, prompts = neighbourhoods(2)
        assert torch.equal(
            first.refined(local, prompts, all_real(2)), second.refined(local, prompts, all_real(2))
        )
    assert isinstance(second, Stack)
