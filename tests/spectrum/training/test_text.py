"""Texts, tokenizer and text tower, with a teacher of a few hundred weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertModel

from spectrum.training import distillation, sentences
from spectrum.training.distillation import Distillation, batches, distil, padded, tower_vectors
from spectrum.training.text_tower import SentenceTower, TextShape
from spectrum.training.tokenizer import chosen_tokenizer, spelled_embeddings, trained_tokenizer

TEXTS = [
    "A black dog runs on the beach .",
    "Two black dogs running on a beach",
    "A child in a red shirt climbs the stairs .",
    "Children climb red stairs",
    "a photo of a dog",
    "a photo of a beach",
]


class WordTeacher:
    """A stand-in for the teacher's tokenizer: it knows four pieces, and splits by halves."""

    def get_vocab(self) -> dict[str, int]:
        return {"[UNK]": 0, "dog": 1, "##s": 2, "be": 3, "##ach": 4}

    def tokenize(self, text: str) -> list[str]:
        return {"beach": ["be", "##ach"], "dogs": ["dog", "##s"]}.get(text, ["[UNK]"])


@pytest.fixture(scope="module")
def teacher() -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=11,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    return BertModel(config).eval()


def test_case_accents_and_closing_punctuation_change_no_token() -> None:
    tokenizer = trained_tokenizer(TEXTS, 200)
    plain = tokenizer.encode("a black dog").ids
    for said in ("A BLACK DOG", "a black dog.", "A black dög !", "a black dog . "):
        assert tokenizer.encode(said).ids == plain
    assert tokenizer.encode("a black, dog").ids != plain


def test_two_trainings_give_one_tokenizer() -> None:
    """Every piece here is as frequent as the others: a tie that chance would break."""
    texts = [f"{first}{second}{first}" for first in "abcdefghij" for second in "klmnopqrst"] * 2
    made = {trained_tokenizer(texts, 150).to_str() for _ in range(5)}
    assert len(made) == 1


class LetterTeacher:
    """A stand-in for the teacher's tokenizer that knows some words, endings and letters."""

    def get_vocab(self) -> dict[str, int]:
        known = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdeghors", "dog", "beach", "zebra", "##s"]
        known += ["##" + letter for letter in "abcdeghor"]
        return {piece: number for number, piece in enumerate(known)}


def test_pieces_are_chosen_by_use() -> None:
    texts = ["dogs", "a dog", "beach", "a dog"]
    every = chosen_tokenizer(texts, LetterTeacher(), 100)
    assert every.encode("a dogs beach").tokens[1:-1] == ["a", "dog", "##s", "beach"]
    # What no text uses goes, what is used less goes first, and letters always stay.
    assert "zebra" not in every.get_vocab()
    least = every.get_vocab_size() - 1
    fewer = chosen_tokenizer(texts, LetterTeacher(), least)
    assert fewer.encode("dog").tokens[1:-1] == ["dog"]
    assert fewer.encode("beach").tokens[1:-1] == ["b", "##e", "##a", "##c", "##h"]
    assert fewer.encode("Dogs.").ids == fewer.encode("dogs").ids
    assert [fewer.token_to_id(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")] == [
        0,
        1,
        2,
        3,
    ]


def test_what_is_no_piece_is_unknown() -> None:
    tokenizer = trained_tokenizer(TEXTS, 200)
    assert tokenizer.encode("犬").tokens == ["[CLS]", "[UNK]", "[SEP]"]


def test_a_long_text_is_cut_and_keeps_its_end_mark() -> None:
    tokenizer = trained_tokenizer(TEXTS, 200)
    ids = tokenizer.encode("dog " * 100).ids
    assert len(ids) == 64
    assert ids[0] == tokenizer.token_to_id("[CLS]")
    assert ids[-1] == tokenizer.token_to_id("[SEP]")


def test_a_piece_starts_at_the_mean_of_what_it_spells() -> None:
    tokenizer = trained_tokenizer(["beach beach beach", "dog dog dog", "dogs dogs dogs"], 200)
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    made = spelled_embeddings(tokenizer, WordTeacher(), table)
    vocabulary = tokenizer.get_vocab()
    np.testing.assert_array_equal(made[vocabulary["dog"]], table[1])
    np.testing.assert_array_equal(made[vocabulary["beach"]], (table[3] + table[4]) / 2)


def test_copied_layers_compute_what_the_teacher_computes(teacher: BertModel) -> None:
    tower = SentenceTower(TextShape(rank=11, copied_layers=(0, 1, 2)), 11, teacher)
    table = teacher.embeddings.word_embeddings.weight.detach().numpy()
    assert tower.start_table(table) == pytest.approx(1.0, abs=1e-6)
    token_ids = torch.tensor([[2, 5, 7, 3], [2, 9, 0, 0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    states = teacher(input_ids=token_ids, attention_mask=mask.long()).last_hidden_state
    wanted = torch.stack([states[0].mean(dim=0), states[1, :2].mean(dim=0)])
    made = tower.eval()(token_ids, mask)
    torch.testing.assert_close(
        made, torch.nn.functional.normalize(wanted, dim=-1), atol=1e-5, rtol=0
    )


def test_padding_changes_no_vector(teacher: BertModel) -> None:
    tower = SentenceTower(TextShape(rank=8, copied_layers=(0, 2)), 11, teacher).eval()
    token_ids, mask = padded([[2, 5, 7, 3], [2, 3]])
    alone = tower(token_ids[1:, :2])
    torch.testing.assert_close(tower(token_ids, mask)[1:], alone, atol=1e-6, rtol=0)


def test_distillation_brings_the_tower_to_its_targets(teacher: BertModel) -> None:
    tokenizer = trained_tokenizer(TEXTS, 200)
    torch.manual_seed(0)
    shape = TextShape(rank=8, copied_layers=(0, 2))
    tower = SentenceTower(shape, tokenizer.get_vocab_size(), teacher)
    targets = np.random.default_rng(0).normal(size=(len(TEXTS), 24)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    before = (tower_vectors(tower, tokenizer, TEXTS) * targets).sum(axis=1).mean()
    distil(
        tower,
        tokenizer,
        TEXTS,
        targets,
        Distillation(shape=shape, epochs=60, batch=3, learning_rate=5e-3, noisy=False),
    )
    after = (tower_vectors(tower, tokenizer, TEXTS) * targets).sum(axis=1).mean()
    assert after > max(0.9, before)


SMALL = Distillation(shape=TextShape(rank=8, copied_layers=(0, 2)), epochs=3, batch=2)


def taught(
    teacher: BertModel, checkpoint: Path | None = None, settings: Distillation = SMALL
) -> SentenceTower:
    """A tower after a short training with noise, always from the same beginning."""
    tokenizer = trained_tokenizer(TEXTS, 200)
    torch.manual_seed(0)
    tower = SentenceTower(settings.shape, tokenizer.get_vocab_size(), teacher)
    targets = np.eye(len(TEXTS), 24, dtype=np.float32)
    distil(tower, tokenizer, TEXTS, targets, settings, checkpoint=checkpoint)
    return tower


@pytest.mark.parametrize("last", [1, 3, 5, 8])
def test_a_stopped_training_goes_on_to_the_same_tower(
    last: int, teacher: BertModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "tower.partial"
    monkeypatch.setattr(distillation, "CHECKPOINT_SECONDS", -1.0)
    whole = taught(teacher)
    teach, steps = distillation.Distiller.taught, iter(range(1000))

    def stopping(self: distillation.Distiller, *given: torch.Tensor) -> float:
        if next(steps) == last:
            raise KeyboardInterrupt
        return teach(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(distillation.Distiller, "taught", stopping)
        with pytest.raises(KeyboardInterrupt):
            taught(teacher, checkpoint)
    assert checkpoint.exists()
    resumed = taught(teacher, checkpoint)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, atol=1e-6, rtol=0)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_other_settings_is_not_gone_on_with(
    teacher: BertModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "tower.partial"
    tokenizer = trained_tokenizer(TEXTS, 200)
    tower = SentenceTower(SMALL.shape, tokenizer.get_vocab_size(), teacher)
    distillation.Distiller(tower, SMALL, len(TEXTS)).save(checkpoint, "something else")
    fresh, begun = taught(teacher), taught(teacher, checkpoint)
    torch.testing.assert_close(begun.table.weight, fresh.table.weight, atol=1e-6, rtol=0)


def test_each_pass_shows_other_noise_and_a_repeated_one_the_same() -> None:
    lessons = distillation.Lessons(
        tokenizer=trained_tokenizer(TEXTS, 200),
        texts=TEXTS * 5,
        nouns=frozenset({"dog"}),
        distillation=SMALL,
    )
    first, again, second = (lessons.epoch(number) for number in (0, 0, 1))
    assert first[0] == again[0] != second[0]
    assert [part.tolist() for part in first[1]] == [part.tolist() for part in again[1]]


@given(st.lists(st.integers(3, 60), min_size=2, max_size=60), st.integers(2, 9))
def test_a_pass_takes_each_text_once(lengths: list[int], batch: int) -> None:
    random = np.random.default_rng(0)
    picked = [row for part in batches(np.array(lengths), batch, random) for row in part.tolist()]
    # A last batch of one has nothing to be compared with, and is left out.
    assert len(set(picked)) == len(picked) >= len(lengths) - 1 - (len(lengths) % batch == 0)


def test_plain_texts_and_queries() -> None:
    assert sentences.plain(" A dog runs . ") == "A dog runs"
    assert sentences.photo_of("owl") == "a photo of an owl"
    assert sentences.photo_of("dog") == "a photo of a dog"


def test_phrases_are_cut_from_captions() -> None:
    cut = sentences.phrases(TEXTS, len(TEXTS), seed=3)
    assert cut == sentences.phrases(TEXTS, len(TEXTS), seed=3)
    assert all(any(phrase in text for text in TEXTS) for phrase in cut)
    assert {2 <= len(phrase.split()) <= 5 for phrase in cut} == {True}


def test_definitions_stand_alone_and_after_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "models/clip_vitb32_text_vectors"
    folder.mkdir(parents=True)
    said = [{"name": "cooler_(for_food)", "def": "a box that keeps cold", "synonyms": []}]
    (folder / "lvis_v1_train_cat_info.json").write_text(json.dumps(said), encoding="utf-8")
    assert sentences.definitions(tmp_path) == [
        "a box that keeps cold",
        "cooler, a box that keeps cold",
    ]


def test_templated_queries_name_things() -> None:
    made = sentences.templated(["owl", "tea pot"], 300, seed=0)
    assert made == sentences.templated(["owl", "tea pot"], 300, seed=0)
    assert len(made) == len(set(made)) <= 300
    assert all("owl" in query or "tea pot" in query for query in made)
    assert any(query.startswith("an owl") for query in made)
    assert not any("{" in query for query in made)


def test_single_nouns_are_what_has_a_plural() -> None:
    assert sentences.single_nouns(["dog", "tea pot", "tv", "t-shirt"]) == {"dog"}


def test_words_are_whole_and_plain(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\nthe\n##ing\nof\ncafé\ndog\nbeach\n", encoding="utf-8")
    assert sentences.words(path, 2) == ["the", "dog"]
