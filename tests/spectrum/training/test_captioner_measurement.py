"""The measurement of a captioner, from photographs in a folder to the printed table."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spectrum.captioners.embedded import EmbeddedCaptioner
from spectrum.training import caption_measurement
from spectrum.training.caption_measurement import correlation, measured, train_vectors
from spectrum.training.photographs import captioned
from tests.stand_ins import ColourEncoder

SAID = ["A man in a red shirt .", "A dog runs .", "Two men sit .", "Snow .", "A blue car ."]


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """Three photographs of each split of noise, and twenty-two others to give examples of."""
    random = np.random.default_rng(0)
    for folder, count in (("flickr8k", 6), ("coco_boxes", 22)):
        images = tmp_path / "data" / folder / "images"
        images.mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 255, (7, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((90, 70)).save(images / f"{number:02}.jpg")
    rows = [
        {"image": f"images/{n:02}.jpg", "captions": SAID, "split": ("train", "dev")[n % 2]}
        for n in range(6)
    ]
    listed = tmp_path / "data/flickr8k/captions.jsonl"
    listed.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_both_searches_read_what_was_encoded_once(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caption_measurement, "BATCH", 2)
    captioner = EmbeddedCaptioner()
    dev = captioned(shared / "data/flickr8k", "dev")
    seen = []
    encode = captioner.encoder.encode_images

    def counted(pixels: list[np.ndarray], *, tokens: bool = False) -> object:
        seen.append(len(pixels))
        return encode(pixels, tokens=tokens)

    monkeypatch.setattr(captioner.encoder, "encode_images", counted)
    found, visual = measured(captioner, dev)
    assert seen == [1] * 4, "one loads the weights, then each of three photographs once"
    images = [np.array(Image.open(photo.path)) for photo in dev]
    prepared = [captioner.prepare(image) for image in images]
    np.testing.assert_allclose(visual, encode(prepared).visual, atol=1e-5)
    for name, width in (("greedy", 1), ("beam 3", 3)):
        texts = [caption.text for caption in captioner.caption(prepared, beam=width)]
        row = found[name]
        expected = caption_measurement.figures(texts, [photo.captions for photo in dev])
        assert {key: row[key] for key in expected} == expected
        seconds = row["encoding_wall_seconds"] + row["search_wall_seconds"]
        assert row["captions_per_second"] == pytest.approx(3 / seconds)
        seconds = row["encoding_cpu_seconds"] + row["search_cpu_seconds"]
        assert row["cpu_seconds_per_caption"] == pytest.approx(seconds / 3)


def test_the_program_prints_all_figures_or_a_table(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--shared", str(shared), "--work", str(tmp_path / "nothing")]
    caption_measurement.main([*asked, "--json"])
    found = json.loads(capsys.readouterr().out)
    names = [one["image"] for one in found["examples"]]
    assert len(set(names)) == 20
    assert names == sorted(names)
    assert all(set(one) == {"image", "caption"} for one in found["examples"])
    assert found["n"] == 3
    assert set(found["baselines"]) == {"nearest photograph's caption", "always 'a blue car'"}
    # Every photograph has the same captions here, so a neighbour's is always right.
    assert found["baselines"]["nearest photograph's caption"]["bleu_4"] == pytest.approx(1.0)
    caption_measurement.main(asked)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:6]] == [
        "| greedy",
        "| beam 3",
        "| nearest photograph's caption",
        "| always 'a blue car'",
    ]
    assert "n = 3" in lines[7]
    assert "1.000 (1.000 to 1.000)" in lines[4]
    assert sum(line.startswith("| 0") or line.startswith("| 1") for line in lines) >= 10


def test_vectors_that_the_training_left_are_read(shared: Path, tmp_path: Path) -> None:
    encoder = ColourEncoder()
    train = captioned(shared / "data/flickr8k", "train")
    made = train_vectors(encoder, train, tmp_path)
    assert made.shape == (3, 12)
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1.0, atol=1e-5)
    kept = tmp_path / f"grids_{encoder.identity.fingerprint[:12]}_train_whole_visual.npy"
    np.save(kept, made[::-1])
    np.testing.assert_array_equal(train_vectors(encoder, train, tmp_path), made[::-1])


def test_what_does_not_vary_has_no_correlation() -> None:
    rising = np.array([0.1, 0.2, 0.4])
    assert correlation(rising, -2.0 * rising) == pytest.approx(-1.0)
    assert correlation(rising, np.zeros(3)) is None
    assert correlation(np.ones(3), rising) is None


def test_an_unknown_captioner_is_told_in_a_line() -> None:
    with pytest.raises(SystemExit, match="unknown captioner 'blip': use 'embedded'"):
        caption_measurement.main(["--captioner", "blip"])
