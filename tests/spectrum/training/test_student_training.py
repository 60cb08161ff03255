"""HARMONY's loss on a student of tiny lessons: each term alone, together, and repeated."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from spectrum.training.backbone import WIDTH, Tails
from spectrum.training.heads import HeadShape
from spectrum.training.stem_maps import Maps
from spectrum.training.student import (
    TERMS,
    Lessons,
    LossWeights,
    Student,
    StudentTrainer,
    StudentTraining,
    View,
    relation,
)
from spectrum.training.student_measures import caption_vectors, fitted, pooled, student_hits
from tests.references.contrast import likeness_loss

COUNT, CAPTIONS, SENTENCE = 8, 3, 11
NOTHING = LossWeights(**dict.fromkeys(TERMS, 0.0))
SMALL = StudentTraining(
    head=HeadShape(width=7, dropout=0.0),
    visual=(3, 5),
    classes=5,
    labels=3,
    epochs=12,
    batch=COUNT,
    others=3,
    weight_decay=0.0,
)


def view(seed: int, count: int = COUNT) -> View:
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)

    def unit(width: int) -> torch.Tensor:
        return functional.normalize(torch.randn(count, width, generator=generator), dim=-1)

    return View(
        extractor=random.uniform(0, 6, (count, 512, 7, 7)).astype(np.float16),
        classifier=random.normal(0, 1, (count, 320, 7, 7)).astype(np.float16),
        signals=unit(6),
        logits=3.0 * torch.randn(count, 8, generator=generator),
        semantic=unit(9),
    )


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    """One view of eight captioned photographs, and one of four others."""
    generator = torch.Generator().manual_seed(5)
    captions = torch.randn(COUNT, CAPTIONS, SENTENCE, generator=generator)
    texts = torch.randn(COUNT, CAPTIONS, 9, generator=generator)
    return Lessons(
        captioned=[view(0)],
        captions=functional.normalize(captions, dim=-1),
        texts=functional.normalize(texts, dim=-1),
        scale=20.0,
        others=[view(1, 4)],
    )


@pytest.fixture(scope="module")
def maps(lessons: Lessons) -> Maps:
    first = lessons.captioned[0]
    return Maps(first.extractor, first.classifier)


@pytest.fixture(scope="module")
def untaught(maps: Maps) -> Student:
    """A student of random weights; take a copy of it."""
    torch.manual_seed(0)
    student = Student(SMALL, Tails(), SENTENCE)
    fitted(student, maps)
    return student


def trained(
    untaught: Student, lessons: Lessons, training: StudentTraining
) -> tuple[StudentTrainer, list[dict[str, float]]]:
    trainer = StudentTrainer(training, deepcopy(untaught), lessons)
    return trainer, trainer.train()


def test_relation_equals_the_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        functional.normalize(
            torch.randn(5, width, dtype=torch.float64, generator=generator), dim=-1
        )
        for width in (3, 7)
    )
    made = relation(student, teacher, 0.3)
    assert made.item() == pytest.approx(
        likeness_loss(student.tolist(), teacher.tolist(), 0.3), abs=1e-10
    )


def test_relation_asks_nothing_of_a_photograph_and_itself() -> None:
    """Likenesses alike but for a rotation: nothing to learn. Otherwise: something."""
    generator = torch.Generator().manual_seed(0)
    teacher = functional.normalize(torch.randn(5, 3, generator=generator), dim=-1)
    turned = teacher @ torch.linalg.qr(torch.randn(3, 3, generator=generator))[0]
    assert relation(turned, teacher, 0.1).item() == pytest.approx(0.0, abs=1e-5)
    assert relation(turned.roll(1, dims=0), teacher, 0.1).item() > 0.5


def test_every_term_is_there_and_finite(untaught: Student, lessons: Lessons) -> None:
    trainer = StudentTrainer(SMALL, deepcopy(untaught), lessons)
    terms = trainer.terms(torch.arange(COUNT))
    assert sorted(terms) == sorted(TERMS)
    for name, term in terms.items():
        assert term.shape == (), name
        assert term.dtype == torch.float32, name
        assert torch.isfinite(term), name


CAPTION_PARTS = {"captions", "projection"}


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("contrast", CAPTION_PARTS | {"log_scale"}),
        ("distillation", CAPTION_PARTS | {"log_scale"}),
        ("feature_distillation", {"adapter"}),
        ("relation", set()),
        ("names", {"names"}),
        ("labels", {"labels"}),
        ("harmony", CAPTION_PARTS | {"log_scale"}),
        ("disagreement", CAPTION_PARTS),
    ],
)
def test_a_term_alone_teaches_its_own_parts(
    term: str, parts: set[str], untaught: Student, lessons: Lessons
) -> None:
    """All teach the tails; nothing else moves, so that a weight of 0 leaves a term out."""
    weights = replace(NOTHING, **{term: 1.0})
    training = replace(SMALL, weights=weights, epochs=3)
    start = StudentTrainer(training, deepcopy(untaught), lessons)
    trainer, _ = trained(untaught, lessons, training)

    def state(trainer: StudentTrainer) -> dict[str, torch.Tensor]:
        student, classes = trainer.student, training.classes
        matrix = student.classes.weight
        return {
            "tails": torch.cat([part.flatten() for part in student.tails.parameters()]),
            "whitening": torch.cat([part.flatten() for part in student.whitening.parameters()]),
            "captions": student.captions.straight.weight,
            "projection": student.projection.weight,
            "adapter": trainer.adapter.weight,
            "log_scale": student.log_scale,
            "names": matrix[:classes],
            "labels": matrix[classes:],
        }

    before, after = state(start), state(trainer)
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved == parts | {"tails"}


@pytest.mark.parametrize("term", ["distillation", "harmony", "disagreement"])
def test_what_is_left_out_is_not_computed(term: str, untaught: Student, lessons: Lessons) -> None:
    training = replace(SMALL, weights=replace(LossWeights(), **{term: 0.0}))
    trainer = StudentTrainer(training, deepcopy(untaught), lessons)
    assert set(trainer.terms(torch.arange(COUNT))) == set(TERMS) - {term}


def test_training_lowers_the_loss(untaught: Student, lessons: Lessons) -> None:
    _, curves = trained(untaught, lessons, SMALL)
    assert len(curves) == SMALL.epochs

    def loss(terms: dict[str, float]) -> float:
        return sum(getattr(SMALL.weights, name) * value for name, value in terms.items())

    assert loss(curves[-1]) < 0.9 * loss(curves[0])
    assert curves[-1]["contrast"] < 0.9 * curves[0]["contrast"]


def test_a_seed_repeats_a_training(untaught: Student, lessons: Lessons) -> None:
    training = replace(SMALL, epochs=2)
    first, _ = trained(untaught, lessons, training)
    again, _ = trained(untaught, lessons, training)
    other, _ = trained(untaught, lessons, replace(training, seed=1))
    for name, value in first.student.state_dict().items():
        assert torch.equal(again.student.state_dict()[name], value), name
    assert not torch.equal(other.adapter.weight, first.adapter.weight)


def test_a_student_learns_without_other_photographs(untaught: Student, lessons: Lessons) -> None:
    alone = replace(lessons, others=[])
    terms = StudentTrainer(SMALL, deepcopy(untaught), alone).terms(torch.arange(COUNT))
    assert all(torch.isfinite(term) for term in terms.values())


def test_the_watcher_sees_every_epoch_at_rest(untaught: Student, lessons: Lessons) -> None:
    seen = []

    def watch(student: Student) -> str:
        seen.append(student.training)
        return "fine"

    StudentTrainer(replace(SMALL, epochs=2), deepcopy(untaught), lessons).train(watch)
    assert seen == [False, False]


def test_captions_are_shown_by_both_text_towers(lessons: Lessons) -> None:
    rows = torch.arange(COUNT)
    assert torch.equal(lessons.sentences(rows, 0.5), lessons.captions)
    both = replace(lessons, heard=-lessons.captions)
    torch.manual_seed(0)
    shown = both.sentences(rows, 0.5)
    same = (shown == lessons.captions).all(dim=-1)
    other = (shown == -lessons.captions).all(dim=-1)
    assert torch.equal(same, ~other)
    assert 0 < same.sum() < COUNT * CAPTIONS
    assert torch.equal(both.sentences(rows, 1.0), -lessons.captions)
    assert torch.equal(both.sentences(rows[2:4], 0.0), lessons.captions[2:4])


def test_the_classifiers_last_layer_stays_unless_it_has_a_rate(
    untaught: Student, lessons: Lessons
) -> None:
    before = untaught.tails.classifier.convolution.weight
    for rate, moved in ((0.0, False), (4e-4, True)):
        training = replace(SMALL, epochs=1, classifier_rate=rate)
        trainer, _ = trained(untaught, lessons, training)
        after = trainer.student.tails.classifier.convolution.weight
        assert torch.equal(after, before) is not moved
        moved_extractor = trainer.student.tails.extractor[1].convolution.weight
        assert not torch.equal(moved_extractor, untaught.tails.extractor[1].convolution.weight)


def test_measures_of_a_student(
    untaught: Student, lessons: Lessons, maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pooled in batches or at once, unit vectors, and hits of the captions it was taught."""
    whole = pooled(untaught, maps)
    assert whole.shape == (COUNT, WIDTH)
    monkeypatch.setattr("spectrum.training.student_measures.BATCH", 3)
    torch.testing.assert_close(pooled(untaught, maps), whole, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(
        np.linalg.norm(caption_vectors(untaught, maps), axis=1), 1.0, atol=1e-5
    )
    training = replace(SMALL, weights=replace(NOTHING, contrast=1.0), epochs=40)
    trainer, _ = trained(untaught, lessons, training)
    hits = student_hits(trainer.student, maps, lessons.captions.numpy())
    assert hits["image_to_text"][0] == 100.0


def test_fitting_standardises_the_pooled_features(untaught: Student, maps: Maps) -> None:
    made = untaught.standardised(pooled(untaught, maps))
    torch.testing.assert_close(made.mean(dim=0), torch.zeros(WIDTH), atol=1e-3, rtol=0)
    whitened = untaught.whitening.project(made)
    # Each block's directions have deviation 1.
    torch.testing.assert_close(
        whitened.square().mean(dim=0), torch.ones(sum(SMALL.visual)), atol=0.01, rtol=0
    )
