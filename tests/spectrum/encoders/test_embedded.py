"""The encoder that ships, through the protocol: its promises, its edges, its files."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer.images import Limits, decode, read_file, rgb_of
from spectrum.encoders import ModelUnavailableError, RgbImage, load_encoder
from spectrum.encoders.embedded import SHIPPED, EmbeddedEncoder
from tests.spectrum.encoders.canonical import CANONICAL, canonical_vectors, drawn

SHARED = Path(__file__).resolve().parents[4] / "shared"
TEXTS = ["a dog on the beach", "dog", "two children climb the red stairs of an old house", "", "x"]


@pytest.fixture(scope="module")
def encoder() -> EmbeddedEncoder:
    return EmbeddedEncoder()


@pytest.fixture(scope="module")
def images() -> list[RgbImage]:
    """Five images of several shapes: colours that change smoothly, with squares on them."""
    random = np.random.default_rng(0)
    made = []
    for height, width in ((300, 400), (224, 224), (50, 900), (1, 1), (640, 480)):
        corners = random.uniform(0, 255, (2, 2, 3))
        down, across = np.linspace(0, 1, height), np.linspace(0, 1, width)
        rows = corners[0] + down[:, None, None] * (corners[1] - corners[0])
        image = rows[:, :1] + across[None, :, None] * (rows[:, 1:] - rows[:, :1])
        image[height // 3 : height // 2, width // 4 : width // 2] = random.uniform(0, 255, 3)
        made.append(image.astype(np.uint8))
    return made


def test_vectors_are_as_wide_as_the_identity_says_and_of_unit_length(
    encoder: EmbeddedEncoder, images: list[RgbImage]
) -> None:
    vectors = encoder.encode_images([encoder.prepare(image) for image in images])
    texts = encoder.encode_texts(TEXTS)
    assert vectors.semantic.shape == (5, encoder.identity.semantic_dimension)
    assert vectors.visual.shape == (5, encoder.identity.visual_dimension)
    assert texts.shape == (5, encoder.identity.semantic_dimension)
    for block in (vectors.semantic, vectors.visual, texts):
        np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1.0, atol=1e-5)


def test_companions_change_no_vector(encoder: EmbeddedEncoder, images: list[RgbImage]) -> None:
    prepared = [encoder.prepare(image) for image in images]
    together = encoder.encode_images(prepared)
    texts = encoder.encode_texts(TEXTS)
    for number, image in enumerate(prepared):
        alone = encoder.encode_images([image])
        np.testing.assert_allclose(alone.semantic[0], together.semantic[number], atol=1e-6)
        np.testing.assert_allclose(alone.visual[0], together.visual[number], atol=1e-6)
        np.testing.assert_allclose(
            encoder.encode_texts([TEXTS[number]])[0], texts[number], atol=1e-6
        )
    many = encoder.encode_texts(TEXTS * 40)
    np.testing.assert_allclose(many.reshape(40, 5, -1), np.stack([texts] * 40), atol=1e-6)


def test_an_order_of_texts_is_kept(encoder: EmbeddedEncoder) -> None:
    """Texts are computed by length; they come back as they were asked."""
    forward, backward = encoder.encode_texts(TEXTS), encoder.encode_texts(TEXTS[::-1])
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-6)


def test_tokens_come_only_when_asked_for(encoder: EmbeddedEncoder, images: list[RgbImage]) -> None:
    prepared = [encoder.prepare(image) for image in images[:2]]
    without, with_tokens = (
        encoder.encode_images(prepared, tokens=asked) for asked in (False, True)
    )
    assert without.tokens is None
    assert with_tokens.tokens is not None
    assert with_tokens.tokens.shape == (2, 7, 7, 256)
    np.testing.assert_array_equal(without.semantic, with_tokens.semantic)
    np.testing.assert_array_equal(without.visual, with_tokens.visual)


def test_the_tokens_of_a_square_image_point_together_where_the_visual_vector_does(
    encoder: EmbeddedEncoder, images: list[RgbImage]
) -> None:
    import onnx
    from onnx import numpy_helper

    vectors = encoder.encode_images([encoder.prepare(images[1])], tokens=True)
    assert vectors.tokens is not None
    mean = vectors.tokens[0].mean(axis=(0, 1))
    graph = onnx.load(encoder.folder / "image_tower.onnx").graph
    said = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # The directions between classes come after the whitened ones.
    places = slice(0, len(mean))
    wanted = said["visual.weight"][places] * (mean - said["visual.centre"][places])
    whitened = vectors.visual[0][places]
    assert wanted @ whitened / np.linalg.norm(wanted) / np.linalg.norm(whitened) > 0.98


SHAPES = {"landscape": (400, 300), "portrait": (300, 400), "square": (320, 320), "strip": (900, 60)}
"""Width and height."""


@pytest.mark.parametrize("shape", SHAPES)
def test_an_image_of_any_shape_gives_unit_vectors_and_one_grid(
    encoder: EmbeddedEncoder, shape: str
) -> None:
    image = np.asarray(drawn(3, SHAPES[shape]))
    prepared = encoder.prepare(image)
    height, width = prepared.shape[:2]
    assert height % 32 == width % 32 == 0
    assert abs(height * width / 224**2 - 1.0) <= 0.125
    assert (width > height, width < height) == (
        image.shape[1] > image.shape[0],
        image.shape[1] < image.shape[0],
    )
    vectors = encoder.encode_images([prepared], tokens=True)
    for block in (vectors.semantic, vectors.visual):
        np.testing.assert_allclose(np.linalg.norm(block, axis=1), 1.0, atol=1e-5)
    assert vectors.tokens is not None
    assert vectors.tokens.shape == (1, 7, 7, 256)
    assert np.isfinite(vectors.tokens).all()


def test_a_path_bytes_and_an_opened_image_give_the_same_vectors(
    encoder: EmbeddedEncoder, tmp_path: Path
) -> None:
    """Whichever way the library decodes them; a PNG is exact, and a photograph's EXIF is heeded."""
    upright = drawn(4, (448, 448))
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    data = read_file(str(path), limits=Limits())
    assert data == path.read_bytes()
    with Image.open(path) as opened:
        decoded = [
            decode(data, limits=Limits(), side_pixels=encoder.side_pixels).rgb,
            rgb_of(opened, side_pixels=encoder.side_pixels),
            rgb_of(upright, side_pixels=encoder.side_pixels),
        ]
    vectors = encoder.encode_images([encoder.prepare(rgb) for rgb in decoded])
    for other in (1, 2):
        np.testing.assert_array_equal(vectors.semantic[other], vectors.semantic[0])
        np.testing.assert_array_equal(vectors.visual[other], vectors.visual[0])


def test_vectors_are_those_that_were_written_down(encoder: EmbeddedEncoder) -> None:
    """Canonical vectors of the shipped weights, within what another machine's rounding changes."""
    wanted = json.loads(CANONICAL.read_text(encoding="utf-8"))
    made = canonical_vectors(encoder)
    assert made.keys() == wanted.keys()
    for name, vector in made.items():
        stored = np.array(wanted[name])
        cosine = vector @ stored / np.linalg.norm(vector) / np.linalg.norm(stored)
        assert cosine > 0.999, f"{name}: rewrite with python -m tests.spectrum.encoders.canonical"


def test_the_grid_of_tokens_lies_as_the_image_does(encoder: EmbeddedEncoder) -> None:
    """What changes in the lower left corner changes the lower left tokens most."""
    image = np.full((224, 224, 3), 128, dtype=np.uint8)
    changed = image.copy()
    changed[192:, :32] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    grids = encoder.encode_images([image, changed], tokens=True).tokens
    assert grids is not None
    difference = np.abs(grids[1] - grids[0]).sum(axis=-1)
    row, column = np.unravel_index(difference.argmax(), difference.shape)
    assert row >= 5
    assert column <= 1


def test_nothing_gives_nothing(encoder: EmbeddedEncoder) -> None:
    vectors = encoder.encode_images([], tokens=True)
    assert vectors.semantic.shape == (0, encoder.identity.semantic_dimension)
    assert vectors.visual.shape == (0, encoder.identity.visual_dimension)
    assert vectors.tokens is not None
    assert vectors.tokens.shape == (0, 7, 7, 256)
    assert encoder.encode_texts([]).shape == (0, encoder.identity.semantic_dimension)


def test_prepared_images_keep_their_aspect_and_are_always_the_same(
    encoder: EmbeddedEncoder, images: list[RgbImage]
) -> None:
    sizes = [(192, 256), (224, 224), (128, 416), (224, 224), (256, 192)]
    for image, (height, width) in zip(images, sizes, strict=True):
        prepared = encoder.prepare(image)
        assert prepared.shape == (height, width, 3)
        assert prepared.dtype == np.uint8
        np.testing.assert_array_equal(prepared, encoder.prepare(image.copy()))
    # A photograph of the right size is left as it is, and a view with gaps is no obstacle.
    np.testing.assert_array_equal(encoder.prepare(images[1]), images[1])
    np.testing.assert_array_equal(encoder.prepare(images[1][:, ::-1]), images[1][:, ::-1])


def test_an_image_without_pixels_is_refused(encoder: EmbeddedEncoder) -> None:
    with pytest.raises(ValueError, match="an image of 0 x 5 pixels shows nothing"):
        encoder.prepare(np.zeros((5, 0, 3), dtype=np.uint8))


def test_case_and_closing_punctuation_change_nothing(encoder: EmbeddedEncoder) -> None:
    plain = encoder.encode_texts(["a dog on a beach"])
    for said in ("A dog on a beach.", "A DOG ON A BEACH !", " a dög on a beach"):
        np.testing.assert_array_equal(encoder.encode_texts([said]), plain)


def test_texts_of_any_length_and_script_get_a_vector(encoder: EmbeddedEncoder) -> None:
    vectors = encoder.encode_texts(["dog " * 3000, "犬", "🐕", "\n\t", "\x00"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_words_that_mean_the_same_lie_closer(encoder: EmbeddedEncoder) -> None:
    dog, puppy, car = encoder.encode_texts(["a dog", "a puppy", "a car"])
    assert dog @ puppy > dog @ car + 0.2


def test_threads_may_share_an_encoder(images: list[RgbImage]) -> None:
    """Opened by eight threads at once, it gives each what it gives one."""
    encoder = EmbeddedEncoder(threads=1)
    prepared = encoder.prepare(images[0])
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: encoder.encode_images([prepared]).semantic, range(16)))
        said = list(pool.map(lambda _: encoder.encode_texts(["a dog"]), range(16)))
    for vector in made:
        np.testing.assert_allclose(vector, made[0], atol=1e-6)
    for vector in said:
        np.testing.assert_allclose(vector, said[0], atol=1e-6)


def test_the_hash_is_that_of_the_files(encoder: EmbeddedEncoder) -> None:
    from spectrum.training.embedded import WEIGHT_FILES
    from spectrum.training.export import weights_hash

    assert encoder.identity.weights_hash == weights_hash(SHIPPED, WEIGHT_FILES)
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert encoder.identity.weights_hash in card


def test_all_files_together_stay_within_their_budget() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 30_000_000


def test_a_search_in_words_loads_no_heavy_library() -> None:
    program = (
        "import sys\n"
        "from spectrum.encoders import load_encoder\n"
        "load_encoder('embedded').encode_texts(['a dog'])\n"
        "heavy = {'torch', 'transformers', 'scipy', 'PIL', 'open_clip', 'spectrum.training'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_a_copied_folder_is_the_same_encoder(encoder: EmbeddedEncoder, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    copied = load_encoder(f"embedded:{folder}")
    assert copied.identity.name == f"embedded:{folder}"
    assert copied.identity.fingerprint == encoder.identity.fingerprint
    np.testing.assert_array_equal(copied.encode_texts(TEXTS), encoder.encode_texts(TEXTS))


def test_a_folder_without_an_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError) as raised:
        EmbeddedEncoder(str(tmp_path / "nowhere"))
    assert str(raised.value) == (
        f"{tmp_path}/nowhere/identity.json: No such file or directory;"
        " an embedded encoder's folder holds identity.json"
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"weights_hash": "0"}', ""])
def test_a_half_written_identity_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "identity.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        ModelUnavailableError, match="identity.json: not an encoder's identity"
    ) as e:
        EmbeddedEncoder(str(tmp_path))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["image_tower.onnx", "text_tower.onnx", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["absent", "cut", "empty", "other"])
def test_a_damaged_file_is_named_when_it_is_needed(tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    whole = (folder / name).read_bytes()
    if damage == "absent":
        (folder / name).unlink()
    else:
        left = {"cut": whole[: len(whole) // 2], "empty": b"", "other": b"no model at all"}
        (folder / name).write_bytes(left[damage])
    encoder = EmbeddedEncoder(str(folder))
    image = np.zeros((224, 224, 3), dtype=np.uint8)
    with pytest.raises(ModelUnavailableError) as raised:
        _ = encoder.encode_images([image]) if "image" in name else encoder.encode_texts(["a dog"])
    said = str(raised.value)
    assert said.startswith(f"{folder / name}: ")
    assert ("no such file" if damage == "absent" else "not a readable") in said
    assert "\n" not in said


def test_the_identity_is_known_without_weights(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "identity.json", tmp_path)
    encoder = EmbeddedEncoder(str(tmp_path))
    said = json.loads((SHIPPED / "identity.json").read_text(encoding="utf-8"))
    assert encoder.identity.weights_hash == said["weights_hash"]
    assert encoder.side_pixels == 224
    assert encoder.visual_weight == said["visual_weight"]
    assert 0.0 <= encoder.visual_weight <= 1.0


@pytest.mark.realdata
def test_captions_find_their_photographs_among_a_thousand() -> None:
    """The floor below which the encoder is not worth shipping: hit@10 of 57 on Flickr8k dev."""
    if not (SHARED / "data/flickr8k").is_dir():
        pytest.skip("../shared/data/flickr8k is not here")
    from spectrum.training.measurement import caption_figures, encoded
    from spectrum.training.photographs import captioned

    encoder = EmbeddedEncoder()
    dev = captioned(SHARED / "data/flickr8k", "dev")
    figures = caption_figures(encoder, encoded(encoder, dev).semantic, dev)
    assert figures["n"] == 1000
    assert figures["text_to_image"][2] >= 57.0
    assert figures["image_to_text"][2] >= 57.0
