"""What refinement costs and is worth: stand-ins whose accuracy and order are known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from indexer.vectors.exact_neighbours import exact_neighbours
from retrieval.profiling import (
    AT_ONCE,
    CaptionQueries,
    Measured,
    Timing,
    module_costs,
    neighbourhoods,
    profiled,
    ranked_captions,
)
from spectrum.encoders.protocol import EncodedImages
from spectrum.stack import MODULES, ImageEvidence, Refined, Refiner, StackIdentity
from spectrum.stack.lexicon import Lexicon
from spectrum.stack.refiner import StackRefiner
from spectrum.stack.selection import Profile, module_subsets
from tests.refiners import StillRefiner
from tests.spectrum.stack.stacks import SEMANTIC, encoded, small_config, trained, unit

SEEN: list[tuple[str, int]] = []


def queries(images: EncodedImages, noise: float = 0.6, per_image: int = 2) -> CaptionQueries:
    """Texts near their image's semantic vector."""
    count = len(images.semantic)
    owners = np.repeat(np.arange(count), per_image)
    apart = noise * unit(len(owners), SEMANTIC, seed=31).numpy()
    vectors = images.semantic[owners] + apart
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return CaptionQueries(vectors=(vectors / lengths).astype(np.float32), owners=owners, texts=())


@pytest.fixture(scope="module")
def measured() -> Measured:
    given, images = trained(), encoded(37)
    return profiled(lambda modules: StackRefiner(given, modules), images, queries(images))


def test_every_subset_is_measured(measured: Measured) -> None:
    profile = measured.profile
    assert [each.modules for each in profile.subsets] == module_subsets()
    assert set(measured.hits) == set(module_subsets())
    assert (profile.n_images, profile.n_queries) == (37, 74)
    assert profile.weights_hash == "0" * 32
    for each in profile.subsets:
        assert 0 <= each.low <= each.accuracy <= each.high <= 1
        assert each.milliseconds > 0


def test_the_most_accurate_subset_lacks_nothing(measured: Measured) -> None:
    best = max(measured.profile.subsets, key=lambda each: each.accuracy)
    assert best.shortfall_low == 0
    assert all(
        each.shortfall_low <= best.accuracy - each.accuracy for each in measured.profile.subsets
    )


def test_a_subsets_accuracy_is_that_of_its_refiner(measured: Measured) -> None:
    """Refined by hand, over neighbours found by hand."""
    modules = ("castle", "nexus", "harmony")
    images, refiner = encoded(37), StackRefiner(trained(), modules)
    local, prompts = refiner.evidence(images)
    likeness = refiner.likeness(local)
    rows = exact_neighbours(likeness, likeness, np.arange(37), 3)
    members = np.concatenate([np.arange(37)[:, None], rows], axis=1)
    made = refiner.refine(local[members], prompts[members], np.ones((37, 4), dtype=np.bool_))
    asked = queries(images)
    scores = asked.vectors @ made.vectors[:, :SEMANTIC].T - made.hubness[:, 0]
    right = scores[np.arange(len(scores)), asked.owners]
    ranks = 1 + (scores > right[:, None]).sum(axis=1)
    subset = next(each for each in measured.profile.subsets if each.modules == modules)
    assert subset.accuracy == pytest.approx((1 / ranks).mean())
    assert measured.hits[modules].value == pytest.approx((ranks <= 10).mean())


def test_the_same_images_give_the_same_accuracy(measured: Measured) -> None:
    given, images = trained(), encoded(37)
    again = profiled(lambda modules: StackRefiner(given, modules), images, queries(images))

    def timeless(profile: Profile) -> list[object]:
        return [replace(each, milliseconds=0.0) for each in profile.subsets]

    assert timeless(again.profile) == timeless(measured.profile)


def test_without_queries_only_time_is_measured() -> None:
    given = trained()
    heard: list[tuple[str, ...]] = []
    made = profiled(
        lambda modules: StackRefiner(given, modules), encoded(5), None, done=heard.append
    )
    assert made.profile.subsets == ()
    assert made.hits == {}
    assert set(made.profile.modules) == set(MODULES)
    assert heard == [(), *((name,) for name in MODULES)]


class Counting(StillRefiner):
    """Remembers how many images each phase was given."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        super().__init__()
        self.identity = StackIdentity(encoder="e", weights_hash="w", modules=modules, neighbours=3)
        self.modules = modules

    def likeness(self, local: np.ndarray) -> np.ndarray:
        return local

    def evidence(self, images: EncodedImages) -> ImageEvidence:
        SEEN.append(("+".join(self.modules), len(images.semantic)))
        return ImageEvidence(self.local(images), images.semantic)

    def refine(self, *given: np.ndarray) -> Refined:
        return Refined(given[0][:, 0], np.zeros((len(given[0]), 2), dtype=np.float32))


def test_the_first_phase_runs_once_for_subsets_that_differ_by_castle() -> None:
    SEEN.clear()
    images = encoded(AT_ONCE + 3)
    profiled(Counting, images, queries(images))
    by_subset = {name for name, _ in SEEN}
    assert len(by_subset) == 16
    assert not any("castle" in name for name in by_subset)
    # Three timings of batches, the first one again.
    assert [count for name, count in SEEN if not name] == [64, 3, 64]


def test_every_image_counts_once_however_often_it_is_timed() -> None:
    images = encoded(AT_ONCE + 3)
    made = profiled(Counting, images, queries(images, noise=0.0))
    assert {each.accuracy for each in made.profile.subsets} == {1.0}


def test_hubness_is_taken_off() -> None:
    """The first image is nearer to the text, and nearer to all texts."""
    rows = np.array([[1.0, 0, 0, -0.5, 0], [0.8, 0.6, 0, 0.0, 0]], dtype=np.float32)
    asked = CaptionQueries(
        vectors=np.array([[1.0, 0]], dtype=np.float32),
        owners=np.array([1], dtype=np.int64),
        texts=("a dog",),
    )
    assert ranked_captions(rows, asked, None).values("mrr").tolist() == [1]
    rows[0, -2] = 0
    assert ranked_captions(rows, asked, None).values("mrr").tolist() == [0.5]


def test_captions_ask_by_their_words_too() -> None:
    rows = np.array([[1.0, 0, 0, 0, 0], [0.8, 0.6, 1.0, 0, 0]], dtype=np.float32)
    asked = CaptionQueries(
        vectors=np.array([[1.0, 0]], dtype=np.float32),
        owners=np.array([1], dtype=np.int64),
        texts=("a dog",),
    )
    direction = np.array([[0, 0, 1.0]], dtype=np.float32)
    lexicon = Lexicon(("dog",), np.ones((1, 1), dtype=np.float32), direction, 1.0)
    assert ranked_captions(rows, asked, None).values("mrr").tolist() == [0.5]
    assert ranked_captions(rows, asked, lexicon).values("mrr").tolist() == [1]


def test_few_images_are_padded_with_members_that_are_not_real() -> None:
    refiner = StackRefiner(trained(small_config(neighbours=5)))
    made = neighbourhoods(refiner, refiner.evidence(encoded(3)))
    assert made.member_mask.tolist() == [[True] * 3 + [False] * 3] * 3
    assert not made.local[:, 3:].any()
    alone = neighbourhoods(refiner, refiner.evidence(encoded(1)))
    assert alone.member_mask.tolist() == [[True] + [False] * 5]


def test_a_module_costs_what_it_adds_to_none() -> None:
    timings = {modules: Timing(1.0, 2.0) for modules in module_subsets()}
    timings[("nexus",)] = Timing(1.75, 2.0)
    timings[("castle",)] = Timing(0.5, 2.5)
    made = module_costs(timings)
    assert (made["nexus"].first, made["nexus"].second) == (0.75, 0)
    assert (made["castle"].first, made["castle"].second) == (0, 0.5)
    assert made["prism"].first == 0


def test_stand_ins_keep_the_contract() -> None:
    assert isinstance(Counting(()), Refiner)
