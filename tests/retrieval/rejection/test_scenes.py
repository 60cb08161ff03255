"""The direction between what a library shows and what it does not."""

import numpy as np

from retrieval.rejection.scenes import FEWEST, SHRINKAGE, scene_direction
from retrieval.rejection.voids import TextVoids
from retrieval.rejection.word_lists import STUFF
from retrieval.rejection.words import WordSupport, words_of


def test_it_is_fishers_discriminant() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.3], [0.0, 0.0, 0.2]])
    known = (rng.normal(size=(61, 3)) @ spread).astype(np.float32)
    scenes = (rng.normal(size=(53, 3)) @ spread + [1.0, 2.0, -0.5]).astype(np.float32)
    found = scene_direction(known, scenes)
    assert found is not None
    within = np.zeros((3, 3))
    for part in (known, scenes):
        middle = [sum(float(row[i]) for row in part) / len(part) for i in range(3)]
        for row in part:
            for i in range(3):
                for j in range(3):
                    within[i, j] += (row[i] - middle[i]) * (row[j] - middle[j]) / 114
    level = (within[0, 0] + within[1, 1] + within[2, 2]) / 3
    shrunk = (1 - SHRINKAGE) * within + SHRINKAGE * level * np.eye(3)
    across = known.mean(axis=0).astype(float) - scenes.mean(axis=0).astype(float)
    # What it was solved from comes out again, up to its length.
    back = shrunk @ found.astype(float)
    np.testing.assert_allclose(
        back / np.linalg.norm(back), across / np.linalg.norm(across), atol=1e-5
    )
    assert (known @ found).mean() > (scenes @ found).mean()


def test_few_sentences_give_no_direction() -> None:
    many, few = np.ones((FEWEST, 2), np.float32), np.ones((FEWEST - 1, 2), np.float32)
    assert scene_direction(many, few) is None
    assert scene_direction(few, many) is None


def test_sentences_that_are_all_alike_give_a_finite_direction() -> None:
    same = np.ones((FEWEST, 2), np.float32)
    found = scene_direction(same, same)
    assert found is not None
    assert np.isfinite(found).all()


def test_what_teaches_the_direction_shares_no_thing_with_what_teaches_the_judge() -> None:
    voids = TextVoids(["a dog"], WordSupport.counted(["a dog"]))
    teaching = " ".join(voids.scenes(300))
    judged = " ".join(void.text for _ in range(300) if (void := voids.scene()))
    first = {thing for thing in STUFF[0::2] if f" {thing}" in judged}
    assert len(first) > 20
    assert not any(f" {thing} " in f" {teaching} " for thing in first if len(words_of(thing)) > 1)


def test_a_library_that_holds_them_all_has_no_scenes_without() -> None:
    captions = list(STUFF) * 40
    voids = TextVoids(captions, WordSupport.counted(captions))
    assert len(voids.scenes(200)) < 200
