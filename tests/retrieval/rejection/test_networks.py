"""What is trained with torch and asked with NumPy says the same in both."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from retrieval.rejection.company import (
    NETWORKS_ALONE,
    Company,
    CompanyNetwork,
    Layer,
    WordVectors,
)
from retrieval.rejection.company_training import (
    DROPPED,
    CompanyModule,
    Examples,
    company_networks,
    thinned,
)
from retrieval.rejection.detectors import Sample
from retrieval.rejection.registry import PLAIN
from retrieval.rejection.satipatthana_scores import SatipatthanaDetector, scores
from retrieval.rejection.text_fitting import word_odds
from retrieval.rejection.training import layer_of
from retrieval.rejection.voids import TextVoid
from retrieval.rejection.words import WordSupport
from retrieval.trust import fit_framework, framework_arrays
from satipatthana.configs import (
    SamathaConfig,
    StandardVipassanaConfig,
    SystemConfig,
    VipassanaEngineConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.system import SatipatthanaSystem


def test_company_network_agrees_with_its_module() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 5)).astype(np.float32)
    table[0] = 0.0
    naming = [False, True, True, False, True, True, False, True]
    torch.manual_seed(0)
    module = CompanyModule(table, naming).eval()
    rows = [[1, 3, 2, 7, 4], [6, 5], [3]]
    padded = torch.zeros(3, 5, dtype=torch.int64)
    counts = torch.zeros(3, 5)
    for row, sentence in enumerate(rows):
        padded[row, : len(sentence)] = torch.tensor(sentence)
        counts[row, : len(sentence)] = torch.tensor([0.1 * word for word in sentence])
    logits, held = module(padded, counts)
    network = CompanyNetwork([layer_of(part) for part in module.parts])
    network = CompanyNetwork.restored(network.arrays())
    for row, sentence in enumerate(rows):
        level = np.array([[0.1 * word] for word in sentence], dtype=np.float32)
        vectors = np.concatenate([table[sentence], level], axis=1).astype(np.float32)
        said = network.swapped_logits(vectors, [naming[word] for word in sentence])
        expected = logits[row][held[row]].detach().numpy()
        np.testing.assert_allclose(said, expected, atol=1e-5)


def test_satipatthana_in_numpy_agrees_with_the_framework() -> None:
    torch.manual_seed(3)
    config = SystemConfig(
        samatha=SamathaConfig(
            adapter=create_adapter_config("mlp", input_dim=11, latent_dim=8, hidden_dims=(13,)),
            vicara=create_vicara_config("standard", latent_dim=8),
        ),
        vipassana=VipassanaEngineConfig(
            vipassana=StandardVipassanaConfig(context_dim=10, extra_features=("one", "two"))
        ),
        task="none",
        recon_hidden_dims=(7,),
    )
    system = SatipatthanaSystem(config).eval()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(17, 11, generator=generator)
    _, every_step, _ = system.samatha(x, run_augmenter=False)
    system.samatha.sati.fit(every_step.to_tensor())
    extra = torch.randn(17, 2, generator=generator)
    judged = system.score(x, extra)
    said = scores(framework_arrays(system), x.numpy(), extra.numpy())
    steps = system.samatha(x, run_augmenter=False)[1].convergence_steps
    assert len(set(steps.tolist())) > 1
    for name in ("trust", "conformity", "confidence"):
        expected = getattr(judged, f"{name}_score")[:, 0].detach().numpy()
        np.testing.assert_allclose(getattr(said, name), expected, atol=1e-5, err_msg=name)


@pytest.fixture
def samples() -> tuple[Sample, Sample, Sample]:
    """Known, voids and what is asked: two clouds with a column that tells them apart."""
    rng = np.random.default_rng(0)
    known = rng.normal(size=(260, 6)).astype(np.float32)
    void = rng.normal(size=(260, 6)).astype(np.float32) + np.float32(4.0)

    def sample(vectors: np.ndarray) -> Sample:
        distance = -np.linalg.norm(vectors, axis=1, keepdims=True)
        evidence = np.concatenate([distance, distance], axis=1).astype(np.float32)
        return Sample(vectors.astype(np.float32), evidence, ("Mahalanobis", "max cosine"))

    return (
        sample(known[:200]),
        sample(void[:200]),
        sample(np.concatenate([known[200:], void[200:]])),
    )


@pytest.mark.parametrize("name", [*PLAIN, "satipatthana"])
def test_every_detector_parts_two_clouds_and_survives_a_file(
    name: str, samples: tuple[Sample, Sample, Sample]
) -> None:
    known, void, asked = samples
    made = PLAIN[name] if name in PLAIN else lambda: SatipatthanaDetector(fit_framework)
    detector = made()
    detector.fit(known, void)
    said = detector.score(asked)
    assert said[:60].mean() > said[60:].mean()
    assert (said[:60, None] > said[60:]).mean() > 0.95
    again = made()
    again.restore(detector.arrays())
    np.testing.assert_allclose(again.score(asked), said, rtol=1e-6)


CAPTIONS = ["dogs run fast", "cats sleep", "dogs sleep"]


def encode(texts: Sequence[str]) -> np.ndarray:
    """Three numbers for each text, drawn by its letters."""
    made = [np.random.default_rng(list(text.encode())).normal(size=3) for text in texts]
    return np.array(made, dtype=np.float32).reshape(len(made), 3)


def drawn_networks(count: int, seed: int = 0) -> list[CompanyNetwork]:
    """Untrained ones, of words four numbers wide."""
    rng = np.random.default_rng(seed)
    shapes = [(7, 24), (5, 7), (1, 5), (3, 4), (3, 4), (1, 2)]
    return [
        CompanyNetwork(
            [
                Layer(
                    rng.normal(size=shape).astype(np.float32),
                    rng.normal(size=shape[0]).astype(np.float32),
                )
                for shape in shapes
            ]
        )
        for _ in range(count)
    ]


def test_a_words_odds_are_the_networks_its_order_and_its_support() -> None:
    support = WordSupport.counted(CAPTIONS)
    vectors = WordVectors.of(support, CAPTIONS, encode)
    networks = drawn_networks(2)
    odds = Layer(np.array([[0.9, -0.2, -0.4]], np.float32), np.array([-3.0], np.float32))
    company = Company(vectors, networks, odds)
    words = ["dogs", "sleep", "beside", "walnuts"]
    rows = vectors.of_words(words, encode)
    naming = [True, True, False, True]
    logits = []
    for place, word in enumerate(words):
        said = [float(one.swapped_logits(rows, naming)[place]) for one in networks]
        likely = support.log_probabilities(words[: place + 1])[-1]
        mixed = 0.9 * sum(said) / 2 - 0.2 * likely - 0.4 * support.support(word)
        logits.append(mixed - 3.0)
    evidence, worst = company.evidence(" ".join(words), encode)
    assert evidence.company == pytest.approx(-math.log(sum(map(math.exp, logits))), abs=1e-4)
    assert evidence.worst_word == pytest.approx(-max(logits), abs=1e-4)
    assert worst == words[logits.index(max(logits))]
    restored = WordVectors.restored(support, vectors.arrays())
    again = Company.restored(restored, company.arrays())
    assert again.evidence(" ".join(words), encode)[0] == pytest.approx(evidence, abs=5e-3)


def test_odds_are_learned_from_what_was_swapped_in() -> None:
    vectors = WordVectors.of(WordSupport.counted(CAPTIONS), CAPTIONS, encode)
    company = Company(vectors, drawn_networks(2))
    known = ["dogs sleep", "cats sleep", "dogs run fast", "cats run fast"] * 5
    voids = [
        TextVoid(text=f"{first} walnuts fast", kind="swapped", source=0, swapped_in=range(1, 2))
        for first in ("dogs", "cats") * 10
    ]
    odds = word_odds(company, known, voids, encode)
    taught = Company(vectors, company.networks, odds)
    assert taught.evidence("dogs walnuts fast", encode)[1] == "walnuts"
    (read,) = taught.readings(["dogs walnuts fast"], encode)
    assert odds(read)[1, 0] > 0 > max(odds(read)[[0, 2], 0])
    scene = TextVoid(text="a kitchen", kind="scene", source=-1)
    assert word_odds(company, known, [scene], encode) is NETWORKS_ALONE


def test_what_networks_say_of_a_word_is_averaged() -> None:
    vectors = WordVectors.of(WordSupport.counted(CAPTIONS), CAPTIONS, encode)
    networks = drawn_networks(3)
    company = Company(vectors, networks)
    evidence, worst = company.evidence("dogs eat walnuts", encode)
    words = ["dogs", "eat", "walnuts"]
    rows = vectors.of_words(words, encode)
    assert rows.shape == (3, 4)
    logits = [
        sum(float(one.swapped_logits(rows, [True] * 3)[place]) for one in networks) / 3
        for place in range(3)
    ]
    assert evidence.worst_word == pytest.approx(-max(logits), abs=1e-5)
    total = math.log(sum(math.exp(logit) for logit in logits))
    assert evidence.company == pytest.approx(-total, abs=1e-5)
    assert worst == words[logits.index(max(logits))]
    again = Company.restored(
        WordVectors.restored(vectors.support, vectors.arrays()), company.arrays()
    )
    assert again.evidence("dogs eat walnuts", encode)[0].company == pytest.approx(-total, abs=2e-3)
    assert company.evidence("...", encode) == ((-20.0, -20.0), "")
    several = ["cats", "...", "dogs eat walnuts", "", "dogs sleep and cats run fast"]
    for text, (said, word) in zip(several, company.evidences(several, encode), strict=True):
        alone, worst = company.evidence(text, encode)
        assert word == worst
        assert said == pytest.approx(alone, abs=1e-5)
    assert company.evidences([], encode) == []


def _some_examples(seed: int, epoch: int) -> Examples:
    """Sentences of one to six words of seven, every other with its first word swapped in."""
    rng = np.random.default_rng([seed, epoch])
    sentences = [rng.integers(1, 8, size=int(rng.integers(1, 7))).tolist() for _ in range(600)]
    return Examples(
        sentences=sentences,
        counts=[[0.1 * word for word in sentence] for sentence in sentences],
        places=[[0] if number % 2 else [] for number in range(600)],
    )


def test_networks_trained_side_by_side_are_those_trained_one_after_the_other() -> None:
    table = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    naming = [False, True, True, False, True, True, False, True]
    before = torch.get_rng_state()
    together, alone = (
        company_networks(table, naming, _some_examples, epochs=2, seeds=(4, 5, 6), at_once=at_once)
        for at_once in (3, 1)
    )
    torch.testing.assert_close(torch.get_rng_state(), before)
    (other,) = company_networks(table, naming, _some_examples, epochs=2, seeds=(5,))
    for one, same in [*zip(together, alone, strict=True), (together[1], other)]:
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(array, same.arrays()[name], err_msg=name)
    assert not np.array_equal(together[0].arrays()["weight0"], together[1].arrays()["weight0"])


def test_what_is_left_out_is_what_dropout_leaves_out() -> None:
    values = torch.arange(1.0, 601.0).reshape(60, 10)
    torch.manual_seed(8)
    expected = torch.nn.functional.dropout(values, DROPPED)
    factors = thinned(values, torch.Generator().manual_seed(8))
    torch.testing.assert_close(values * factors, expected)
    assert sorted(factors.unique().tolist()) == pytest.approx([0.0, 1 / 0.9])
    assert float((factors == 0).float().mean()) == pytest.approx(0.1, abs=0.04)
