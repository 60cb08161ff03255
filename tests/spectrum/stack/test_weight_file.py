"""A stack as a file: what comes back, and what is said of files that are none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn import functional

from spectrum.encoders.protocol import ModelUnavailableError
from spectrum.stack.config import StackConfig
from spectrum.stack.lexicon import Lexicon, load_lexicon, text_questions
from spectrum.stack.sentence_probe import SentenceProbe
from spectrum.stack.stack import Stack
from spectrum.stack.weight_file import eight_bits, load_stack, save_stack
from spectrum.stack.weight_names import SCALES
from tests.spectrum.stack.stacks import (
    all_real,
    grids,
    neighbourhoods,
    normal,
    random_stack,
    small_config,
    trained,
    unit,
    vectors,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    given = trained()
    save_stack(tmp_path / "stack.safetensors", given.stack, given.texts, given.encoder)
    return tmp_path / "stack.safetensors"


def lexicon(words: int = 40, rank: int = 64) -> Lexicon:
    width = small_config().width
    rows, basis = normal(words, rank, seed=3).numpy(), normal(rank, width, seed=4).numpy()
    return Lexicon(tuple(f"w{i}" for i in range(words)), rows, basis, 0.3)


def test_a_lexicon_comes_back_with_and_without_torch(tmp_path: Path) -> None:
    given, known = trained(), lexicon()
    said = [f"w{i} w{i + 1} and more" for i in range(17)]
    told = torch.from_numpy(known.coefficients(said))
    path = tmp_path / "stack"
    save_stack(path, given.stack, given.texts, given.encoder, known, told)
    held, alone = load_stack(path), load_lexicon(path)
    assert held.lexicon
    assert alone
    assert alone.words == held.lexicon.words == known.words
    assert alone.share == 0.3
    np.testing.assert_array_equal(alone.readings(said), held.lexicon.readings(said))
    np.testing.assert_allclose(alone.readings(said), known.readings(said), atol=0.02)
    asked = text_questions(known, said, given.texts.numpy(), small_config().width)
    wide = held.texts @ torch.eye(given.texts.shape[1], asked.shape[1] - 2)
    wide += held.told @ torch.from_numpy(held.lexicon.basis)
    np.testing.assert_allclose(wide.numpy(), asked[:, :-2], atol=0.02)
    assert asked[:, -2:].tolist() == [[1, 0]] * 17
    seen = vectors(7)
    torch.testing.assert_close(held.narrowed(seen) @ held.narrow_questions().mT, seen @ wide.mT)


def test_words_by_themselves_and_their_probe_come_back(tmp_path: Path) -> None:
    given, terms = trained(), vectors(9)[:, : small_config().semantic_width]
    probe = SentenceProbe(np.linspace(-1, 1, terms.shape[1], dtype=np.float32), 0.25)
    known = replace(lexicon(), probe=probe)
    told = torch.zeros(len(given.texts), 64)
    path = tmp_path / "stack"
    save_stack(path, given.stack, given.texts, given.encoder, known, told, terms)
    held, alone = load_stack(path), load_lexicon(path)
    torch.testing.assert_close(held.terms, terms)
    for each in (held.lexicon, alone):
        assert each
        assert each.probe
        assert each.probe.offset == 0.25
        np.testing.assert_array_equal(each.probe.weights, probe.weights)


def test_a_stack_without_a_lexicon(file: Path) -> None:
    assert load_lexicon(file) is None
    held = load_stack(file)
    width = held.stack.config.semantic_width
    torch.testing.assert_close(held.narrow_questions(), held.texts)
    seen = vectors(7)
    torch.testing.assert_close(held.narrowed(seen), seen[:, :width])


def test_a_lexicon_of_more_words_than_rows_is_damaged(tmp_path: Path) -> None:
    given, known = trained(), lexicon()
    short = Lexicon(known.words, known.rows[1:], known.basis, known.share)
    told = torch.zeros(len(given.texts), 64)
    save_stack(tmp_path / "stack", given.stack, given.texts, given.encoder, short, told)
    for load in (load_stack, load_lexicon):
        with pytest.raises(ModelUnavailableError, match="a lexicon of 40 words has 39 rows"):
            load(tmp_path / "stack")


def test_eight_bits_are_within_half_a_step() -> None:
    matrix = normal(5, 7, seed=1)
    matrix[2] = 0
    rounded, scales = eight_bits(matrix)
    assert rounded.dtype == torch.int8
    assert ((rounded * scales - matrix).abs() <= 0.5001 * scales).all().item()
    assert rounded.abs().amax(dim=1).tolist() == [127, 127, 0, 127, 127]


def test_a_worked_row_of_eight_bits() -> None:
    rounded, scales = eight_bits(torch.tensor([[-254.0, 3.0, 0.9]]))
    assert rounded.tolist() == [[-127, 2, 0]]
    assert scales.tolist() == [[2]]


def outputs(stack: Stack) -> list[torch.Tensor]:
    with torch.no_grad():
        features = vectors(11)
        local, prompts = neighbourhoods(11)
        return [
            stack.local(features, stack.readings(features, grids(11))),
            stack.refined(local, prompts, all_real(11)),
        ]


def test_a_file_holds_the_stack_and_everything_beside_it(file: Path) -> None:
    given, held = trained(), load_stack(file)
    assert held.stack.config == given.stack.config
    assert held.encoder == "of an encoder"
    assert not held.stack.training
    torch.testing.assert_close(held.texts, given.texts)
    assert len(held.weights_hash) == 32
    assert not file.with_name("stack.safetensors.tmp").exists()
    for made, wanted in zip(outputs(held.stack), outputs(given.stack), strict=True):
        assert functional.cosine_similarity(made, wanted, dim=-1).min().item() > 0.999


def test_wide_matrices_are_eight_bits_and_the_stack_refines_as_before(tmp_path: Path) -> None:
    config = StackConfig(semantic_width=67, visual_width=53, token_width=41, hidden=61)
    stack, texts = random_stack(config), unit(101, 67, seed=1)
    save_stack(tmp_path / "wide", stack, texts, "e")
    stored = load_file(tmp_path / "wide")
    small = [name for name, value in stored.items() if value.dtype == torch.int8]
    assert {"texts", "castle.query.down.weight", "description.readout.weight"} <= set(small)
    assert all(name + SCALES in stored for name in small)
    held = load_stack(tmp_path / "wide")
    cosines = functional.cosine_similarity(held.texts, texts, dim=-1)
    assert cosines.min().item() > 0.999
    local = torch.cat([unit(5, 17, 67, seed=2), unit(5, 17, 53, seed=3)], dim=-1)
    prompts, real = unit(5, 17, 67, seed=4), all_real(5, 17)
    with torch.no_grad():
        made, wanted = (each.refined(local, prompts, real) for each in (held.stack, stack))
    assert functional.cosine_similarity(made, wanted, dim=-1).min().item() > 0.999


def test_the_hash_is_that_of_the_bytes(file: Path, tmp_path: Path) -> None:
    other = trained(seed=1)
    save_stack(tmp_path / "other", other.stack, other.texts, other.encoder)
    copied = tmp_path / "copied"
    copied.write_bytes(file.read_bytes())
    first, second, copy = (load_stack(path) for path in (file, tmp_path / "other", copied))
    assert first.weights_hash == copy.weights_hash != second.weights_hash


def refused(path: Path) -> str:
    with pytest.raises(ModelUnavailableError) as caught:
        load_stack(path)
    said = str(caught.value)
    assert said.startswith(str(path))
    assert "\n" not in said
    return said.removeprefix(str(path))


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == (
        ": No such file or directory; train it with 'spectrum train', or name another file"
    )
    assert refused(tmp_path).startswith(": Is a directory; train it with")


@pytest.mark.parametrize("kept", [0, 5, 100, 5000, -1])
def test_a_file_that_ends_early_is_refused(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    said = refused(file)
    assert said.startswith(": not a readable stack (")
    assert said.endswith("; train it again with 'spectrum train'")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear reader, this is a letter and no stack at all.")
    assert refused(tmp_path / "letter").startswith(": not a readable stack (")
    save_file({"weight": torch.ones(2, 3)}, tmp_path / "weights")
    assert refused(tmp_path / "weights").startswith(": not a readable stack ('spectrum')")
    save_file({"weight": torch.ones(2, 3)}, tmp_path / "list", {"spectrum": "[1, 2]"})
    assert refused(tmp_path / "list").startswith(": not a readable stack (")
    save_file({"weight": torch.ones(2, 3)}, tmp_path / "words", {"spectrum": "no JSON"})
    assert refused(tmp_path / "words").startswith(": not a readable stack (Expecting value")


def rewritten(file: Path, **changed: object) -> None:
    """The same weights, of which the file says another shape."""
    stored = load_file(file)
    with safe_open(file, framework="pt") as opened:
        said = json.loads(opened.metadata()["spectrum"])
    said["config"] |= changed
    save_file(stored, file, {"spectrum": json.dumps(said)})


def test_weights_of_another_shape_are_refused(file: Path) -> None:
    rewritten(file, token_width=3)
    assert refused(file).startswith(": not a readable stack (Error(s) in loading state_dict")
    rewritten(file, semantic_width=3)
    assert refused(file).startswith(": not a readable stack (texts has shape (17, 7), expected (17")
    rewritten(file, semantic_width=0)
    assert refused(file).startswith(": not a readable stack (semantic_width must be at least 1")


def test_texts_of_another_width_are_refused(tmp_path: Path) -> None:
    save_stack(tmp_path / "stack", random_stack(small_config()), unit(3, 5, seed=1), "e")
    assert refused(tmp_path / "stack").startswith(": not a readable stack (texts has shape (3, 5)")


def test_a_field_of_a_later_version_is_no_obstacle(file: Path) -> None:
    rewritten(file, of_tomorrow=1)
    assert load_stack(file).stack.config == small_config()


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    given = trained()
    with pytest.raises(OSError, match="none"):
        save_stack(tmp_path / "none" / "stack", given.stack, given.texts, given.encoder)
