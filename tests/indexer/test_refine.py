"""Refinement in two phases: what is stored depends on the picture and the bank alone."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import indexer.refine
from indexer.banks import current_bank, member_ids, newest_bank, refined_ids, searched_vectors
from indexer.build import BuildOptions
from indexer.catalogue import Catalogue
from indexer.errors import LibraryError
from indexer.evidence import local_blocks, local_vectors
from indexer.neighbourhoods import (
    frozen_bank,
    neighbourhood,
    refined_blocks,
    refined_over,
)
from indexer.pipeline import Flow
from indexer.progress import Progress
from indexer.vectors.exact_neighbours import exact_neighbours
from retrieval import ImagePart, Library, Query, TextPart
from spectrum.stack.protocol import Refiner
from tests.indexer.revisions import revised
from tests.refiners import SEMANTIC, MeanRefiner, StillRefiner
from tests.stand_ins import ColourEncoder
from tests.stories.test_faults import draw

N_PICTURES = 20

Paint = Callable[..., Path]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    draw(tmp_path / "photos", range(N_PICTURES))
    return tmp_path / "photos"


def opened(
    folder: Path, refiner: Refiner | None = None, name: str = "test", budget: str | None = None
) -> Library:
    return Library.open(
        folder / f"{name}.library", encoder=ColourEncoder(), refiner=refiner, budget=budget
    )


def stored(library: Library) -> dict[str, np.ndarray]:
    """Name of file -> what searches compare with."""
    space = library.space
    bank = current_bank(library.catalogue, space.id)
    ids = library.catalogue.searchable_ids(space.id)
    held, vectors = searched_vectors(library.catalogue, ids, space, bank)
    paths = library.catalogue.paths_of(held.tolist())
    return {
        Path(path).name: vector
        for id, vector in zip(held.tolist(), vectors, strict=True)
        for path in paths[id]
    }


def assert_equal(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    assert some.keys() == others.keys()
    for name, vector in some.items():
        np.testing.assert_allclose(vector, others[name], atol=1e-5, err_msg=name)


def options(batch_size: int = 8, *, prune: bool = False) -> BuildOptions:
    return BuildOptions(prune=prune, flow=Flow(batch_size=batch_size, workers=2))


def stores(library: Library) -> list[str]:
    """The folders that vectors are published in, without the space's fingerprint."""
    names = [folder.name for folder in (library.folder / "faiss").iterdir()]
    return sorted(name.removeprefix(library.space.fingerprint) for name in names)


# What is stored -----------------------------------------------------------------------------------


def test_the_first_run_makes_a_bank_of_all_and_refines_all(tmp_path: Path, photos: Path) -> None:
    with opened(tmp_path, MeanRefiner()) as library:
        report = library.index(photos)
        assert (report.encoded, report.refined, report.unrefined) == (N_PICTURES, N_PICTURES, 0)
        standing = library.status().refinement
        assert standing is not None
        assert (standing.version, standing.bank_size, standing.budget) == (1, N_PICTURES, "best")
        assert (standing.refined, standing.unrefined) == (N_PICTURES, 0)
        assert (standing.added, standing.removed) == (0, 0)
        assert stores(library) == ["-1"]


def test_a_stored_vector_is_the_refiners_over_the_nearest_of_the_bank(
    tmp_path: Path, photos: Path
) -> None:
    """Worked anew from what is stored of phase 1, one picture at a time."""
    refiner = MeanRefiner()
    with opened(tmp_path, refiner) as library:
        library.index(photos)
        catalogue, space = library.catalogue, library.space
        bank = current_bank(catalogue, space.id)
        assert bank is not None
        ids = member_ids(catalogue, bank)
        held = local_vectors(catalogue, ids, space, bank.stack)
        np.testing.assert_allclose(np.linalg.norm(held.local[:, :SEMANTIC], axis=1), 1, atol=1e-3)
        _, vectors = searched_vectors(catalogue, ids, space, bank)
        for row in range(N_PICTURES):
            shown = held.local.astype(np.float16).astype(np.float64)
            products = shown @ held.local[row].astype(np.float64)
            products[row] = -np.inf
            near = np.sort(np.lexsort((ids, -products))[:3])
            among = neighbourhood(catalogue, space, bank, int(ids[row]))
            assert among.neighbour_ids.tolist() == ids[near].tolist()
            np.testing.assert_array_equal(among.local[0], held.local[row])
            np.testing.assert_allclose(among.local[1:], held.local[near], atol=1e-3)
            one = refiner.refine(among.local[None], among.prompts[None], among.member_mask[None])
            np.testing.assert_allclose(vectors[row, :-2], one.vectors[0], atol=1e-6)
            np.testing.assert_allclose(vectors[row, -2:], -one.hubness[0], atol=1e-6)


def test_the_local_vector_comes_back_with_half_precision(tmp_path: Path, photos: Path) -> None:
    refiner, encoder = MeanRefiner(), ColourEncoder()
    with opened(tmp_path, refiner) as library:
        library.index(photos)
        id = library.catalogue.ids_of_paths([str(photos / "003.png")])[str(photos / "003.png")]
        held = local_vectors(
            library.catalogue, np.array([id]), library.space, refiner.identity.fingerprint
        )
        base = library.catalogue.vectors(np.array([id]), library.space)
    from indexer.images import Limits, decode

    rgb = decode((photos / "003.png").read_bytes(), limits=Limits(), side_pixels=8).rgb
    seen = refiner.evidence(encoder.encode_images([encoder.prepare(rgb)], tokens=True))
    np.testing.assert_allclose(held.local, seen.local, atol=1e-4)
    np.testing.assert_allclose(held.prompts, seen.prompts, atol=1e-3)
    np.testing.assert_array_equal(held.local[:, SEMANTIC:], base[:, SEMANTIC:])


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_order_and_blocks_change_nothing(
    tmp_path: Path, photos: Path, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, MeanRefiner(), "whole") as library:
        library.index(photos)
        whole = stored(library)
    monkeypatch.setattr("indexer.refine.IMAGES_PER_TRANSACTION", batch_size)
    monkeypatch.setattr("indexer.neighbourhoods.IMAGES_PER_CALL", max(1, batch_size // 2))
    # Other names: another order, other ids, other companions.
    for path in sorted(photos.iterdir()):
        path.rename(photos / f"{int(path.stem) * 7 % N_PICTURES:02}-{path.name}")
    refiner = MeanRefiner()
    with opened(tmp_path, refiner, "parts") as library:
        library.index(photos, options=options(batch_size))
        parts = {name.partition("-")[2]: vector for name, vector in stored(library).items()}
    assert max(refiner.calls) <= max(1, batch_size // 2)
    assert_equal(parts, whole)


def test_a_refiner_that_moves_nothing_leaves_every_ranking(tmp_path: Path, photos: Path) -> None:
    """At shut gates the encoder's own vectors come back, to the last bit."""
    with opened(tmp_path, None, "plain") as plain, opened(tmp_path, StillRefiner()) as refined:
        plain.index(photos)
        refined.index(photos)
        base = stored(plain)
        for name, vector in stored(refined).items():
            np.testing.assert_array_equal(vector, [*base[name], 0.0, 0.0])
        # Pictures that are asked with are refined over what they find, so words only.
        less = TextPart(text="red", weight=-0.5)
        for query in ("red", Query(parts=(TextPart(text="blue"), less)), Query(parts=(less,))):
            assert (
                refined.search(query, top=20, duplicates=True).hits
                == plain.search(query, top=20, duplicates=True).hits
            )


def test_without_a_refiner_nothing_is_seen_or_stored(tmp_path: Path, photos: Path) -> None:
    with opened(tmp_path) as library:
        report = library.index(photos)
        assert (report.refined, report.unrefined) == (0, 0)
        assert library.status().refinement is None
        assert newest_bank(library.catalogue, library.space.id) is None
        assert stores(library) == [""]
        assert library.refiner is None
        with pytest.raises(LibraryError, match="nothing refines vectors of 'colours' with the bud"):
            library.refine()


# What is added ------------------------------------------------------------------------------------


def test_what_is_added_is_refined_and_changes_nothing_else(tmp_path: Path, photos: Path) -> None:
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        before = stored(library)
        draw(photos, range(100, 105))
        report = library.index(photos)
        assert (report.encoded, report.refined, report.unrefined) == (5, 5, 0)
        after = stored(library)
        assert len(after) == N_PICTURES + 5
        for name, vector in before.items():
            np.testing.assert_array_equal(after[name], vector)
        standing = library.status().refinement
        assert standing is not None
        assert (standing.refined, standing.added, standing.bank_size) == (25, 5, N_PICTURES)
        assert len(library.search("red", top=100, duplicates=True).hits) == 25


def test_what_is_added_does_not_depend_on_what_is_added_beside_it(
    tmp_path: Path, photos: Path
) -> None:
    vectors = []
    for name, n in (("few", 101), ("many", 112)):
        folder = tmp_path / name
        shutil.copytree(photos, folder / "photos", copy_function=shutil.copy2)
        with opened(folder, MeanRefiner()) as library:
            library.index(folder / "photos")
            draw(folder / "photos", range(100, n))
            library.index(folder / "photos")
            vectors.append(stored(library)["100.png"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)


def test_refining_anew_takes_all_in(tmp_path: Path, photos: Path) -> None:
    """The same as a library that was indexed at once."""
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        before = stored(library)
        draw(photos, range(100, 110))
        library.index(photos)
        report = library.refine()
        assert (report.refined, report.opened, report.unrefined) == (30, 0, 0)
        assert (report.version, report.bank_size) == (2, 30)
        after = stored(library)
        assert any(not np.allclose(after[name], vector) for name, vector in before.items())
        assert stores(library) == ["-2"]
        bank = current_bank(library.catalogue, library.space.id)
        assert newest_bank(library.catalogue, library.space.id) == bank
        with opened(tmp_path, MeanRefiner(), "at once") as other:
            other.index(photos)
            assert_equal(after, stored(other))
        again = library.refine()
        assert (again.refined, again.resumed, again.version) == (0, 0, 2)


def test_a_large_library_has_a_bank_of_some_chosen_by_hash(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer.refine, "MOST_MEMBERS", 7)
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        catalogue = library.catalogue
        bank = current_bank(catalogue, library.space.id)
        assert bank is not None
        ids = catalogue.searchable_ids(library.space.id)
        hashes = catalogue.hashes(ids.tolist())
        least = sorted(ids.tolist(), key=lambda id: hashes[id])[:7]
        assert member_ids(catalogue, bank).tolist() == sorted(least)
        assert refined_ids(catalogue, bank).tolist() == ids.tolist()
        assert library.refine().refined == 0


# What is deleted ----------------------------------------------------------------------------------


def test_what_is_deleted_leaves_the_bank_and_changes_no_stored_vector(
    tmp_path: Path, photos: Path
) -> None:
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        before = stored(library)
        for i in range(4):
            (photos / f"{i:03}.png").unlink()
        library.index(photos, options=options(prune=True))
        after = stored(library)
        assert len(after) == N_PICTURES - 4
        for name, vector in after.items():
            np.testing.assert_array_equal(vector, before[name])
        standing = library.status().refinement
        assert standing is not None
        assert (standing.bank_size, standing.removed) == (N_PICTURES, 4)
        draw(photos, range(100, 103))
        assert library.index(photos).refined == 3
        with closing(sqlite3.connect(library.folder / "catalogue.sqlite")) as connection:
            held = "SELECT count(DISTINCT content_id) FROM {}"
            for table, n in (("evidence", 19), ("bank_members", 16), ("refined", 19)):
                assert connection.execute(held.format(table)).fetchone() == (n,), table
        assert library.refine().bank_size == 19
        assert library.search("red", top=100, duplicates=True).n_searched == 19


def test_when_all_of_the_bank_is_deleted(tmp_path: Path, photos: Path) -> None:
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        for path in photos.iterdir():
            path.unlink()
        draw(photos, range(100, 102))
        assert library.index(photos, options=options(prune=True)).refined == 2
        assert len(library.search("red").hits) == 2


def test_one_picture_and_none(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "empty").mkdir()
    draw(tmp_path / "one", range(1))
    with opened(tmp_path, MeanRefiner()) as library:
        assert library.index(tmp_path / "empty").refined == 0
        assert library.refine().version is None
        assert library.search("red").hits == ()
        assert library.index(tmp_path / "one").refined == 1
        (hit,) = library.search("red").hits
        assert Path(hit.path).name == "000.png"


# What could not be seen ---------------------------------------------------------------------------


def test_an_unrefined_library_stays_as_it_is_until_it_is_refined(
    tmp_path: Path, photos: Path
) -> None:
    """As one that an older version, or another budget, has made: no grid was ever seen."""
    with opened(tmp_path) as library:
        library.index(photos)
    draw(photos, range(100, 103))
    refiner = MeanRefiner()
    with opened(tmp_path, refiner) as library:
        report = library.index(photos)
        assert (report.encoded, report.refined, report.unrefined) == (3, 0, N_PICTURES + 3)
        assert (library.status().refinement, stores(library)) == (None, [""])
        assert refiner.n_seen == 3
        assert len(library.search("red", top=100, duplicates=True).hits) == N_PICTURES + 3
        report = library.refine()
        assert (report.opened, report.unread, report.refined) == (N_PICTURES, 0, N_PICTURES + 3)
        after = stored(library)
    with opened(tmp_path, MeanRefiner(), "at once") as other:
        other.index(photos)
        assert_equal(after, stored(other))


def test_files_that_are_not_what_was_indexed_stay_unrefined(
    tmp_path: Path, photos: Path, paint: Paint
) -> None:
    with opened(tmp_path) as library:
        library.index(photos)
    paint(photos / "000.png", "red")
    (photos / "001.png").unlink()
    (photos / "002.png").write_text("no picture")
    with opened(tmp_path, MeanRefiner()) as library:
        report = library.refine()
        assert (report.opened, report.unread, report.unrefined) == (N_PICTURES - 3, 3, 3)
        vectors = stored(library)
        bank = current_bank(library.catalogue, library.space.id)
        assert bank is not None
        refined = [vectors[f"{i:03}.png"][-2:] for i in range(3, N_PICTURES)]
        assert bank.mean_hubness == pytest.approx(-np.mean(refined, axis=0), abs=1e-6)
        ids = library.catalogue.ids_of_paths([str(photos / "001.png")])
        base = library.catalogue.vectors(np.array(list(ids.values())), library.space)[0]
        np.testing.assert_allclose(
            vectors["001.png"], [*base, *np.negative(bank.mean_hubness)], atol=1e-7
        )
        assert library.search("red", top=100, duplicates=True).n_searched == N_PICTURES


def test_pictures_are_found_before_they_are_refined(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a run that was killed between its phases; the cache then has to forget them."""
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        draw(photos, range(100, 103))
        with monkeypatch.context() as patch:
            patch.setattr(
                "indexer.build.refine_added", lambda *a, **k: indexer.refine.RefineReport()
            )
            library.index(photos)
        assert len(library.search("red", top=100, duplicates=True).hits) == N_PICTURES + 3
        bank = current_bank(library.catalogue, library.space.id)
        assert bank is not None
        assert stored(library)["100.png"][-2:] == pytest.approx(np.negative(bank.mean_hubness))
        assert library.index(photos).refined == 3
        store = library.searcher._store
        hits = {
            Path(h.path).name: h.image_id
            for h in library.search("red", top=100, duplicates=True).hits
        }
        for name, vector in stored(library).items():
            found = store.search(vector[None], 30)
            similarity = dict(zip(found.ids[0].tolist(), found.similarities[0], strict=True))
            assert similarity[hits[name]] == pytest.approx(float(vector @ vector), abs=1e-5)


def test_another_stack_waits_for_refining(tmp_path: Path, photos: Path) -> None:
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        before = stored(library)
    draw(photos, range(100, 102))
    refiner = MeanRefiner(weights="second")
    with opened(tmp_path, refiner, budget="fast") as library:
        report = library.index(photos)
        assert (report.refined, report.unrefined) == (0, 2)
        for name, vector in before.items():
            np.testing.assert_array_equal(stored(library)[name], vector)
        report = library.refine()
        assert (report.opened, report.refined, report.version) == (N_PICTURES, N_PICTURES + 2, 2)
        bank = current_bank(library.catalogue, library.space.id)
        assert bank is not None
        assert (bank.stack, bank.budget) == (refiner.identity.fingerprint, "fast")
    with opened(tmp_path) as library:
        assert library.budget == "fast"


def test_a_refiner_that_fails_on_one_picture_harms_no_other(tmp_path: Path, photos: Path) -> None:
    class Fragile(MeanRefiner):
        def evidence(self, encoded):  # type: ignore[no-untyped-def]
            found = super().evidence(encoded)
            local = found.local.copy()
            local[encoded.tokens.sum(axis=(1, 2, 3)) > 8 * 8 * 3 * 0.62] = np.nan
            return found._replace(local=local)

    with opened(tmp_path, Fragile()) as library:
        report = library.index(photos)
        assert 0 < report.failed < N_PICTURES
        assert report.refined == N_PICTURES - report.failed
        said = {failure.message for failure in library.failures()}
        assert said == {"the refiner gave a vector that is not finite"}


# Searches -----------------------------------------------------------------------------------------


def test_words_do_not_see_the_visual_block(tmp_path: Path, photos: Path) -> None:
    """Their similarity is t . s - h, whatever the visual block holds."""

    class Scrambled(MeanRefiner):
        def vectors(self, local, member_mask):  # type: ignore[no-untyped-def]
            vectors = super().vectors(local, member_mask).copy()
            vectors[:, SEMANTIC:] = np.roll(vectors[:, SEMANTIC:], 5, axis=1)
            return vectors

    with opened(tmp_path, MeanRefiner()) as one, opened(tmp_path, Scrambled(), "other") as other:
        one.index(photos)
        other.index(photos)
        hits = one.search("red yellow", top=20, duplicates=True).hits
        assert hits == other.search("red yellow", top=20, duplicates=True).hits
        picture = photos / "004.png"
        assert one.search(image=picture).hits != other.search(image=picture).hits
        (text,) = ColourEncoder().encode_texts(["red yellow"])
        vectors = stored(one)
        for hit in hits:
            vector = vectors[Path(hit.path).name]
            expected = float(vector[:SEMANTIC] @ text + vector[-2])
            assert hit.similarity == pytest.approx(expected, abs=1e-6)


def test_images_do_not_see_the_hubness(tmp_path: Path, photos: Path) -> None:
    class Hubs(MeanRefiner):
        def hubness(self, local):  # type: ignore[no-untyped-def]
            return super().hubness(local) * np.float32(3)

    with opened(tmp_path, MeanRefiner()) as one, opened(tmp_path, Hubs(), "other") as other:
        one.index(photos)
        other.index(photos)
        image = photos / "004.png"
        assert (
            one.search(image=image, top=20, duplicates=True).hits
            == other.search(image=image, top=20, duplicates=True).hits
        )
        mine, theirs = (
            one.search("red", top=20, duplicates=True).hits,
            other.search("red", top=20, duplicates=True).hits,
        )
        of_theirs = {hit.path: hit.similarity for hit in theirs}
        for hit in mine:
            hubness = -stored(one)[Path(hit.path).name][-2]
            expected = hit.similarity - 2 * hubness
            assert of_theirs[hit.path] == pytest.approx(expected, abs=1e-6)
        both = Query(parts=(TextPart(text="red"), ImagePart(image=str(image))))
        assert (
            one.search(both, top=20, duplicates=True).hits
            != other.search(both, top=20, duplicates=True).hits
        )


def test_an_open_searcher_follows_the_swap(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, MeanRefiner()) as writer, opened(tmp_path, MeanRefiner()) as reader:
        writer.index(photos)
        draw(photos, range(100, 110))
        writer.index(photos)
        old = reader.search("red", top=100, duplicates=True).hits
        seen: list[object] = []
        really = indexer.refine.make_current

        def watched(*arguments: object) -> object:
            seen.append(reader.search("red", top=100, duplicates=True).hits)
            swapped = really(*arguments)  # type: ignore[arg-type]
            seen.append(reader.search("red", top=100, duplicates=True).hits)
            return swapped

        monkeypatch.setattr("indexer.refine.make_current", watched)
        writer.refine()
        new = writer.search("red", top=100, duplicates=True).hits
        assert new != old
        assert seen == [old, new]
        assert reader.search("red", top=100, duplicates=True).hits == new


def test_a_swap_in_the_middle_of_a_query(tmp_path: Path, photos: Path) -> None:
    """The store is the old bank's, the rows are gone: the query begins anew."""
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        draw(photos, range(100, 110))
        library.index(photos)

    class Slow(ColourEncoder):
        def encode_texts(self, texts):  # type: ignore[no-untyped-def]
            with opened(tmp_path, MeanRefiner()) as other:
                other.refine()
            return super().encode_texts(texts)

    with Library.open(tmp_path / "test.library", encoder=Slow()) as library:
        caught = library.search("red", top=100, duplicates=True).hits
    with opened(tmp_path) as library:
        assert caught == library.search("red", top=100, duplicates=True).hits


def test_a_store_tells_its_bank(tmp_path: Path, photos: Path) -> None:
    """A bank of the same number in a library that was begun anew is another bank."""
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        bank = current_bank(library.catalogue, library.space.id)
        (manifest,) = (library.folder / "faiss").rglob("manifest.json")
        assert bank is not None
        assert json.loads(manifest.read_text())["fingerprint"] == bank.fingerprint
        assert json.loads(manifest.read_text())["dimension"] == 18
    (tmp_path / "test.library" / "catalogue.sqlite").unlink()
    draw(photos, range(100, 103))
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        other = current_bank(library.catalogue, library.space.id)
        assert other is not None
        assert (other.version, other.fingerprint == bank.fingerprint) == (1, False)
        assert library.search("red", top=100, duplicates=True).n_searched == N_PICTURES + 3


# Ends before the end ------------------------------------------------------------------------------


class StopAfter(Progress):
    """Ctrl-C after so many advances of one stage."""

    def __init__(self, stage: str, n: int) -> None:
        self.stage, self.left, self.entered = stage, n, ""
        self.stages: list[tuple[str, int]] = []

    def enter(self, stage: str, total: int) -> None:
        self.entered = stage
        self.stages.append((stage, total))

    def advance(self, n_files: int, n_failed: int) -> None:
        self.left -= self.entered == self.stage

    def stop_requested(self) -> bool:
        return self.entered == self.stage and self.left <= 0


def test_a_run_that_is_stopped_goes_on(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.refine.IMAGES_PER_TRANSACTION", 4)
    with opened(tmp_path) as library:
        library.index(photos)
        plain = library.search("red", top=100, duplicates=True).hits
    refiner = MeanRefiner()
    with opened(tmp_path, refiner) as library:
        stopped = library.refine(progress=StopAfter("refining", 2))
        assert (stopped.interrupted, stopped.opened, stopped.refined) == (True, N_PICTURES, 8)
        assert (stopped.version, stopped.unrefined) == (None, N_PICTURES)
        assert library.search("red", top=100, duplicates=True).hits == plain
        seen = refiner.n_seen
        progress = StopAfter("", 1)
        report = library.refine(progress=progress)
        assert (report.interrupted, report.resumed, report.refined) == (False, 8, 12)
        assert (report.opened, refiner.n_seen) == (0, seen)
        assert progress.stages == [("refining", 12)]
        assert report.version == 1
        whole = stored(library)
    with opened(tmp_path, MeanRefiner(), "at once") as other:
        other.index(photos)
        assert_equal(whole, stored(other))


def test_a_run_that_was_stopped_begins_anew_if_the_library_changed(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexer.refine.IMAGES_PER_TRANSACTION", 4)
    with opened(tmp_path, MeanRefiner()) as library:
        stopped = library.index(photos, progress=StopAfter("refining", 2))
        assert (stopped.interrupted, stopped.refined) == (True, 8)
        draw(photos, range(100, 103))
        report = library.index(photos)
        assert (report.refined, report.unrefined) == (N_PICTURES + 3, 0)
        whole = stored(library)
        with closing(sqlite3.connect(library.folder / "catalogue.sqlite")) as connection:
            assert connection.execute("SELECT count(*) FROM refined").fetchone() == (23,)
            assert connection.execute("SELECT count(*), max(size) FROM banks").fetchone() == (1, 23)
    with opened(tmp_path, MeanRefiner(), "at once") as other:
        other.index(photos)
        assert_equal(whole, stored(other))


# Measuring ----------------------------------------------------------------------------------------


def test_vectors_over_a_bank_without_some(tmp_path: Path, photos: Path) -> None:
    """As an evaluation needs them: queries are not in the bank, and nothing is stored."""
    refiner = MeanRefiner()
    with opened(tmp_path, refiner) as library:
        library.index(photos)
        before = stored(library)
        ids = library.catalogue.searchable_ids(library.space.id)
        members = ids[::2]
        order = ids[::-1]
        found, rows = refined_over(library.catalogue, library.space, refiner, order, members)
        assert found.tolist() == order.tolist()
        held = local_vectors(library.catalogue, ids, library.space, refiner.identity.fingerprint)
        local = held.local
        own = np.array([place // 2 if place % 2 == 0 else -1 for place in range(N_PICTURES)])
        near = exact_neighbours(local, local[::2].copy(), own, 3)
        among = np.concatenate([local[:, None], local[::2][near]], axis=1)
        expected = refiner.refine(among, among[:, :, :4], np.ones((N_PICTURES, 4), dtype=np.bool_))
        np.testing.assert_allclose(rows[::-1, :-2], expected.vectors, atol=1e-3)
        np.testing.assert_allclose(rows[::-1, -2:], -expected.hubness, atol=1e-6)
        assert_equal(stored(library), before)


def test_blocks_come_in_order_and_a_failure_in_its_place(tmp_path: Path, photos: Path) -> None:
    """Later blocks are searched for meanwhile; what was made before a failure is not lost."""
    refiner = MeanRefiner()
    with opened(tmp_path, refiner) as library:
        library.index(photos)
        ids = library.catalogue.searchable_ids(library.space.id)
        stack = refiner.identity.fingerprint
        bank = frozen_bank(library.catalogue, library.space, ids, refiner)
        blocks = list(local_blocks(library.catalogue, ids, library.space, stack, size=3))
        refined = [row for rows in refined_blocks(blocks, bank, refiner) for row in rows]
        assert [row.content_id for row in refined] == ids.tolist()
        blocks[3].local[1] = np.nan
        made = refined_blocks(blocks, bank, refiner)
        assert [row.content_id for _ in range(3) for row in next(made)] == ids[:9].tolist()
        with pytest.raises(ValueError, match="a vector that is not finite"):
            next(made)
        assert list(refined_blocks(iter([]), bank, refiner)) == []


def test_an_older_librarys_tables_are_made_when_it_is_opened(tmp_path: Path, photos: Path) -> None:
    with opened(tmp_path) as library:
        library.index(photos)
        hits = library.search("red", top=100, duplicates=True).hits
    file = tmp_path / "test.library" / "catalogue.sqlite"
    with closing(sqlite3.connect(file)) as connection, connection:
        later = ("caption_word_uses", "caption_words", "chosen_stacks")
        for table in (*later, "refined", "bank_members", "banks", "evidence"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
    Catalogue.open(file).close()
    with opened(tmp_path, MeanRefiner()) as library:
        assert library.search("red", top=100, duplicates=True).hits == hits
        assert library.index(photos).unrefined == N_PICTURES
        assert library.refine().refined == N_PICTURES


def test_what_an_older_version_refined_has_one_hubness_for_all_that_is_asked(
    tmp_path: Path, photos: Path
) -> None:
    with opened(tmp_path, MeanRefiner()) as library:
        library.index(photos)
        before = stored(library)
    file = tmp_path / "test.library" / "catalogue.sqlite"
    revised(file, "0005")
    with opened(tmp_path, MeanRefiner()) as library:
        after = stored(library)
        assert after.keys() == before.keys()
        for name, vector in before.items():
            np.testing.assert_array_equal(after[name], [*vector[:-1], vector[-2]])
        bank = current_bank(library.catalogue, library.space.id)
        assert bank is not None
        assert bank.mean_hubness[0] == bank.mean_hubness[1]
        assert len(library.search("red", top=100, duplicates=True).hits) == N_PICTURES
