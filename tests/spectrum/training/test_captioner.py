"""The captioner's network: its steps, its folding, its file."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spectrum.training.caption_material import principal_components
from spectrum.training.captioner import CaptionerShape, CaptionNetwork, Dropout

SHAPE = CaptionerShape(width=12, heads=3, layers=2, inner=20, longest=7, dropout=0.2)


@pytest.fixture
def network() -> CaptionNetwork:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = CaptionNetwork(SHAPE, words=11, cells=4, channels=5, semantic=6).eval()
    tokens = np.random.default_rng(0).normal(1, 2, (50, 4, 5)).astype(np.float16)
    made.reader.fit(tokens)
    return made


def test_steps_say_what_the_whole_sentence_does(network: CaptionNetwork) -> None:
    """Word by word with what is remembered, or all at once with what lies ahead masked."""
    image = network.image_caches(torch.randn(2, 4, 5), torch.randn(2, 6))
    words = torch.tensor([[0, 3, 4, 5, 10], [0, 9, 9, 2, 7]])
    whole = network.logits(network.states(image, words)).log_softmax(dim=-1)
    past = network.nothing_said(2)
    for position in range(5):
        log_probs, keys, values = network.step(image, past, words[:, position])
        past = keys, values
        torch.testing.assert_close(log_probs, whole[:, position], atol=1e-5, rtol=1e-5)
    assert past[0].shape == (2, 2, 3, 5, 4)


def test_one_image_serves_many_sentences(network: CaptionNetwork) -> None:
    image = network.image_caches(torch.randn(1, 4, 5), torch.randn(1, 6))
    together, *_ = network.step(image, network.nothing_said(3), torch.tensor([0, 2, 5]))
    for row, word in enumerate((0, 2, 5)):
        alone, *_ = network.step(image, network.nothing_said(1), torch.tensor([word]))
        torch.testing.assert_close(alone[0], together[row])


def test_a_reduction_is_folded_into_the_first_map(network: CaptionNetwork) -> None:
    random = np.random.default_rng(1)
    tokens = (random.normal(0, 1, (30, 4, 9)) * np.arange(1, 10)).astype(np.float32)
    reduction = principal_components(tokens.reshape(-1, 9), 5)
    reduced = torch.from_numpy(reduction(tokens))
    semantic = torch.randn(30, 6)
    before = network.reader(reduced, semantic)
    network.reader.unfold(reduction)
    after = network.reader(torch.from_numpy(tokens), semantic)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


def test_the_reader_sees_standard_channels(network: CaptionNetwork) -> None:
    tokens = np.random.default_rng(0).normal(1, 2, (50, 4, 5))
    standard = (torch.from_numpy(tokens) - network.reader.get_buffer("mean")) * (
        network.reader.get_buffer("scale")
    )
    assert standard.mean().item() == pytest.approx(0.0, abs=0.02)
    # A tenth of the mean variance is added: 1 / sqrt(1.1).
    assert standard.std().item() == pytest.approx(1.1**-0.5, abs=0.03)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    dropout = Dropout(0.25)
    made = dropout(torch.ones(1000, 100))
    assert (made == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)
    assert made.mean().item() == pytest.approx(1.0, abs=0.01)
    assert made.max().item() == pytest.approx(4 / 3)
    torch.testing.assert_close(dropout.eval()(made), made)
    torch.testing.assert_close(Dropout(0.0)(made), made)


def test_the_written_file_says_what_the_network_does(tmp_path: Path) -> None:
    """In a process of its own: the exporter traces shapes that the shape checks would ask about."""
    program = """
import sys, numpy as np, torch
from pathlib import Path
from spectrum.captioners.embedded import DecoderModel
from spectrum.captioners.vocabulary import END, UNKNOWN, Vocabulary
from spectrum.training.caption_export import write_captioner
from spectrum.training.captioner import CaptionNetwork, CaptionerShape
torch.manual_seed(0)
shape = CaptionerShape(width=12, heads=3, layers=2, inner=20, longest=7)
network = CaptionNetwork(shape, words=11, cells=4, channels=5, semantic=6).eval()
words = (END, UNKNOWN, *(f"word{n}" for n in range(9)))
folder = Path(sys.argv[1])
(folder / "image_tower.onnx").write_bytes(b"a tower")
write_captioner(network, Vocabulary(words), folder, length_power=0.5)
model = DecoderModel(folder / "captioner.onnx", threads=1)
tokens, semantic = torch.randn(1, 4, 5), torch.randn(1, 6)
blank = np.zeros((2, 1, 3, 5, 4), dtype=np.float32)
def entering(image, past, words):
    return dict(tokens=tokens.numpy(), semantic=semantic.numpy(), image_keys=image[0],
        image_values=image[1], past_keys=past[0], past_values=past[1], words=np.array(words))
nothing = network.nothing_said(1)
none = tuple(part.numpy() for part in nothing)
image = model.compute(["image_keys_made", "image_values_made"], entering((blank, blank), none, [0]))
expected = network.image_caches(tokens, semantic)
for one, other in zip(image, expected):
    np.testing.assert_allclose(one, other.detach(), atol=1e-2)
for words in ([3], [0, 4, 5]):
    past = network.nothing_said(len(words))
    kept = tuple(part.numpy() for part in past)
    for _ in range(3):
        said = network.step(expected, past, torch.tensor(words))
        made = model.compute(["log_probs", "keys", "values"], entering(image, kept, words))
        np.testing.assert_allclose(made[0], said[0].detach(), atol=2e-2)
        past, kept = said[1:], made[1:]
    assert kept[0].shape == (2, len(words), 3, 3, 4)
print("agree")
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip().endswith("agree"), done.stderr
    said = (tmp_path / "captioner.json").read_text()
    for part in ('"length_power": 0.5', '"rows": 5', '"longest": 7', '"word8"'):
        assert part in said
