"""The noun block: ConSE against its loop, and what its fitted parts promise."""

import numpy as np
import pytest
import torch

from spectrum.training.heads import Standardised, Whitening
from spectrum.training.mobilenet import FEATURES
from spectrum.training.naming import (
    NamedClasses,
    Naming,
    noun_block,
    noun_directions,
    refitted_classifier,
)
from tests.references.contrast import named_mean


def test_named_classes_equal_the_loop() -> None:
    torch.manual_seed(0)
    names = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    named = NamedClasses(7, names)
    whitened = torch.randn(2, 7)
    made = named(whitened).tolist()
    for row, vector in zip(whitened, made, strict=True):
        looped = named_mean(
            row.tolist(), named.classes.weight.tolist(), named.classes.bias.tolist(), names.tolist()
        )
        assert vector == pytest.approx(looped, abs=1e-6)


def test_a_sure_classifier_gives_the_name_itself() -> None:
    names = np.eye(3, dtype=np.float32)
    named = NamedClasses(2, names)
    with torch.no_grad():
        named.classes.weight.zero_()
        named.classes.bias.copy_(torch.tensor([0.0, 50.0, 0.0]))
    assert named(torch.zeros(1, 2))[0].tolist() == pytest.approx([0, 1, 0])


def test_a_classifier_of_few_directions_is_refitted_exactly() -> None:
    """Features that vary in four directions, whitened to four: nothing is lost."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(300, 4, generator=generator) @ torch.randn(
        4, FEATURES, generator=generator
    )
    features = spread.half().numpy()
    standardised, whitening = Standardised(), Whitening(4)
    standardised.fit(features)
    wide = torch.from_numpy(features.astype(np.float32))
    whitening.fit(standardised(wide))
    torch.manual_seed(0)
    classifier, classes = torch.nn.Linear(FEATURES, 6), torch.nn.Linear(4, 6)
    naming = Naming(temperature=2.0)
    explained = refitted_classifier(naming, classifier, features, standardised, whitening, classes)
    assert explained == pytest.approx(1.0, abs=1e-3)
    made = classes(whitening.project(standardised(wide)))
    torch.testing.assert_close(made, classifier(wide) / 2.0, atol=0.05, rtol=0)


def test_noun_directions_keep_what_differs_among_nouns() -> None:
    """Vectors that differ in two directions only: two dimensions keep all their distances."""
    random = np.random.default_rng(0)
    plane = np.linalg.qr(random.normal(size=(9, 2)))[0]
    vectors = (random.normal(size=(50, 2)) @ plane.T + random.normal(size=9)).astype(np.float32)
    weight, bias = noun_directions(vectors, 2)
    made = vectors @ weight.T + bias
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-5)
    apart = np.linalg.norm(vectors[:, None] - vectors, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(made[:, None] - made, axis=-1), apart, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(noun_block(vectors, weight, bias), axis=1), 1, 1e-5)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"share": 1.5}, r"share must lie in \[0, 1\], got 1.5"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0.0"),
    ],
)
def test_settings_outside_their_range_are_refused(limits: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Naming(**limits)
