"""The captioner's training on a handful of invented photographs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spectrum.training import caption_trainer, caption_training
from spectrum.training.caption_confidence import confirmed_shares, plain_words
from spectrum.training.caption_lessons import lessons, padded
from spectrum.training.caption_material import (
    CaptionMaterial,
    GridFeatures,
    Reduction,
    cached_grids,
    fitted_reduction,
    principal_components,
)
from spectrum.training.caption_measurement import BEAM
from spectrum.training.caption_trainer import (
    CaptionTrainer,
    CaptionTraining,
    greedy,
    lesson_loss,
    one_cycle,
)
from spectrum.training.captioner import END, CaptionerShape
from spectrum.training.photographs import Photograph
from tests.stand_ins import ColourEncoder

SHAPE = CaptionerShape(width=16, heads=2, layers=1, inner=24, longest=6, dropout=0.1)
TRAINING = CaptionTraining(
    shape=SHAPE, fewest=1, epochs=3, batch=4, learning_rate=0.01, halved=False
)
SAID = ["a red dog runs", "two men sit on grass", "a cat looks left .", "snow"]


def features(count: int, seed: int, mirrored: bool = False) -> GridFeatures:
    """Four kinds of photographs in turn, told apart by one channel each."""
    random = np.random.default_rng(seed)
    tokens = random.normal(0, 0.1, (count, 4, 5))
    tokens[np.arange(count), :, np.arange(count) % 4] += 2.0
    semantic = random.normal(0, 1, (count, 3))
    semantic /= np.linalg.norm(semantic, axis=1, keepdims=True)
    return GridFeatures(
        tokens=tokens.astype(np.float16),
        semantic=semantic.astype(np.float16),
        visual=semantic.astype(np.float16),
        mirrored=mirrored,
    )


def invented() -> CaptionMaterial:
    """Twelve photographs to learn from, eight to choose by."""
    torch.set_num_threads(1)
    texts = [[SAID[number % 4], SAID[number % 4] + " there"] for number in range(12)]
    return CaptionMaterial(
        views=(features(12, 0), features(12, 1, mirrored=True)),
        captions=texts,
        dev=features(8, 2),
        dev_captions=texts[:8],
    )


@pytest.fixture
def material() -> CaptionMaterial:
    return invented()


def test_it_learns_what_the_photographs_show(material: CaptionMaterial, tmp_path: Path) -> None:
    settings = CaptionTraining(
        shape=SHAPE, fewest=1, epochs=40, batch=4, learning_rate=0.02, halved=False, smoothing=0.0
    )
    trainer = caption_training.trained_captioner(settings, material, tmp_path)
    written = [trainer.vocabulary.sentence(ids) for ids in greedy(trainer.network, material.dev)]
    right = [text.lower().startswith(SAID[at % 4][:3]) for at, text in enumerate(written)]
    assert sum(right) >= 7, written
    assert trainer.history[-1]["loss"] < trainer.history[0]["loss"] / 2
    after = caption_training.fitted(trainer)
    assert after.length_power in caption_training.LENGTH_POWERS
    offset, slope = after.confidence
    found = [
        max(sentences, key=lambda one: one.likelihood(after.length_power))
        for sentences in caption_training.beams(trainer.network, material.dev, BEAM)
    ]
    log_probs = np.array([one.mean_log_prob for one in found])
    shares = confirmed_shares(
        [trainer.vocabulary.sentence(one.ids) for one in found],
        material.dev_captions,
        plain_words(material.captions),
    )
    misses = shares - 1 / (1 + np.exp(-(offset + slope * log_probs)))
    # Where cross entropy is least what is missed adds up to nothing but the ridge's pull.
    assert misses.sum() == pytest.approx(offset, abs=1e-4)
    assert misses @ log_probs == pytest.approx(slope, abs=1e-4)


def test_a_killed_run_goes_on_to_the_same_weights(
    material: CaptionMaterial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = CaptionTrainer(TRAINING, material, tmp_path / "whole.pt")
    whole.train()
    calls = 0

    def dies_in_the_second_epoch(*arguments: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 5:  # three steps an epoch: the file holds what the first epoch left
            raise KeyboardInterrupt
        return lesson_loss(*arguments)  # type: ignore[arg-type]

    killed = CaptionTrainer(TRAINING, material, tmp_path / "killed.pt")
    with monkeypatch.context() as patched:
        patched.setattr(caption_trainer, "lesson_loss", dies_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            killed.train()
    torch.manual_seed(1234)  # another process has other numbers in store
    resumed = CaptionTrainer(TRAINING, material, tmp_path / "killed.pt")
    resumed.resume()
    assert len(resumed.history) == 1
    resumed.train()
    assert resumed.history == whole.history
    for name, part in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], part, rtol=0, atol=0)


def test_a_finished_run_is_taken_as_it_is_and_other_settings_start_anew(
    material: CaptionMaterial, tmp_path: Path
) -> None:
    path = tmp_path / "captioner.pt"
    first = CaptionTrainer(TRAINING, material, path)
    first.train()
    again = CaptionTrainer(TRAINING, material, path)
    again.train()
    torch.testing.assert_close(again.network.table.weight, first.network.table.weight)
    other = CaptionTrainer(CaptionTraining(shape=SHAPE, fewest=1, seed=1), material, path)
    other.resume()
    assert other.history == []
    seen_otherwise = CaptionMaterial(
        views=material.views,
        captions=material.captions,
        dev=features(8, 5),
        dev_captions=material.dev_captions,
    )
    another_tower = CaptionTrainer(TRAINING, seen_otherwise, path)
    another_tower.resume()
    assert another_tower.history == []


def test_the_learning_rate_goes_up_and_down() -> None:
    rates = [one_cycle(step, 100) for step in range(101)]
    assert rates[:2] == pytest.approx([0.1, 0.2])
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)
    assert 0.0 <= one_cycle(1, 1) <= 1.0


def test_the_best_epoch_is_kept(
    material: CaptionMaterial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = CaptionTrainer(TRAINING, material, tmp_path / "captioner.pt")
    figures = iter([0.1, 0.5, 0.3])
    tables = []

    def figure(_: list[str]) -> float:
        tables.append(trainer.average.table.weight.detach().clone())
        return next(figures)

    monkeypatch.setattr(trainer.cider, "mean", figure)
    trainer.train()
    torch.testing.assert_close(trainer.network.table.weight.detach(), tables[1], rtol=0, atol=0)
    assert not torch.equal(tables[1], tables[2])


def test_captions_are_read_and_said_one_word_apart() -> None:
    read, target, mask = padded([[5, 6], [7, 8, 9, 10]], longest=3)
    assert read.tolist() == [[END, 5, 6, END], [END, 7, 8, 9]]
    assert target.tolist() == [[5, 6, END, END], [7, 8, 9, 10]]
    assert mask.tolist() == [[True, True, True, False], [True, True, True, True]]


def test_every_photograph_comes_once_and_mirrors_hear_of_no_side(
    material: CaptionMaterial,
) -> None:
    sentences = [[[number], [number + 100]] for number in range(12)]
    seen, sided = [], 0
    for seed in range(8):
        for lesson in lessons(material, sentences, 5, np.random.default_rng(seed)):
            seen += lesson.rows.tolist()
            for owner, (word,) in zip(lesson.owners.tolist(), lesson.sentences, strict=True):
                row = int(lesson.rows[owner])
                assert word % 100 == row
                if row % 4 == 2:  # "a cat looks left"
                    assert lesson.view == 0
                    sided += 1
    assert sorted(seen) == sorted(list(range(12)) * 8)
    assert sided > 0


def test_a_loss_does_not_depend_on_how_captions_are_grouped(
    material: CaptionMaterial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = CaptionTraining(shape=SHAPE, fewest=1, masked=0.0, halved=False)
    trainer = CaptionTrainer(training, material, tmp_path / "captioner.pt")
    trainer.network.eval()
    random = np.random.default_rng(0)
    lesson = next(lessons(material, trainer.sentences, 12, random))
    losses = []
    for groups in (1, 2, 5):
        monkeypatch.setattr(caption_trainer, "LENGTH_GROUPS", groups)
        losses.append(
            lesson_loss(trainer.network, material.views[lesson.view], lesson, training).item()
        )
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_principal_components_keep_what_varies() -> None:
    random = np.random.default_rng(0)
    tokens = random.normal(0, 1, (500, 2)) @ random.normal(0, 1, (2, 7)) + 3.0
    reduction = principal_components(tokens.astype(np.float32), 2)
    assert reduction.retained == pytest.approx(1.0, abs=1e-5)
    back = reduction(tokens) @ reduction.basis.T + reduction.mean
    np.testing.assert_allclose(back, tokens, atol=1e-3)
    half = principal_components(tokens.astype(np.float32), 1)
    assert 0.5 <= half.retained < 1.0


def test_grids_are_kept_and_wide_ones_reduced(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs = [Photograph(path=path) for path in sorted(pictures.glob("*.png"))]
    encoder = ColourEncoder()
    basis = tmp_path / "basis.npz"
    assert fitted_reduction(encoder, photographs, basis) is None
    monkeypatch.setattr("spectrum.training.caption_material.MOST_CHANNELS", 2)
    monkeypatch.setattr("spectrum.training.caption_material.REDUCED_CHANNELS", 2)
    reduction = fitted_reduction(encoder, photographs, basis)
    assert isinstance(reduction, Reduction)
    assert reduction.basis.shape == (3, 2)
    kept = fitted_reduction(encoder, photographs, basis)
    assert kept is not None
    np.testing.assert_array_equal(kept.basis, reduction.basis)
    stem = tmp_path / "grids"
    made = cached_grids(encoder, photographs, "whole_flipped", reduction, stem)
    assert made.tokens.shape == (5, 64, 2)
    assert made.mirrored
    batches = len(encoder.batches)
    again = cached_grids(encoder, photographs, "whole_flipped", reduction, stem)
    assert len(encoder.batches) == batches
    np.testing.assert_array_equal(again.tokens, made.tokens)
