import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from satipatthana.checkpoint import load, load_into, plain, save
from satipatthana.configs import (
    CnnAdapterConfig,
    FallbackConfig,
    LstmAdapterConfig,
    ProbeSpecificVicaraConfig,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    TransformerAdapterConfig,
    VitakkaConfig,
    WeightedVicaraConfig,
)
from satipatthana.curriculum import fit
from satipatthana.system import SatipatthanaSystem
from tests.satipatthana.systems import clusters, short, small_config, small_system, state_of


@pytest.fixture(scope="module")
def trained() -> SatipatthanaSystem:
    x, y = clusters()
    system = small_system()
    fit(system, x, y, config=short(1))
    return system


def test_a_system_comes_back_as_it_was(trained: SatipatthanaSystem, tmp_path: Path) -> None:
    save(trained, tmp_path / "system.pt")
    loaded = load(tmp_path / "system.pt")
    assert loaded.config == trained.config
    assert loaded.output_dim == trained.output_dim
    assert state_of(loaded).keys() == state_of(trained).keys()
    assert all(
        torch.equal(state_of(trained)[name], value) for name, value in state_of(loaded).items()
    )
    x, _ = clusters(9, seed=3)
    assert torch.equal(loaded.score(x).trust_score, trained.score(x).trust_score)
    assert not loaded.training


def test_it_can_be_put_into_a_system_of_the_same_settings(
    trained: SatipatthanaSystem, tmp_path: Path
) -> None:
    save(trained, tmp_path / "system.pt")
    other = small_system()
    load_into(other, tmp_path / "system.pt")
    assert state_of(other).keys() == state_of(trained).keys()
    assert other.aux_head is None


def test_aux_head_comes_back_where_it_was(tmp_path: Path, trained: SatipatthanaSystem) -> None:
    x, y = clusters()
    system = small_system()
    fit(system, x, y, config=short(1, decoder=StageConfig(max_epochs=0)))
    save(system, tmp_path / "before.pt")
    loaded = load(tmp_path / "before.pt")
    assert loaded.aux_head is not None
    without = small_system()
    without.aux_head = None
    load_into(without, tmp_path / "before.pt")
    assert state_of(without).keys() == state_of(system).keys()


@pytest.mark.parametrize(
    "samatha",
    [
        SamathaConfig(
            adapter=CnnAdapterConfig(latent_dim=4, channels=1, height=8, width=8),
            vicara=WeightedVicaraConfig(latent_dim=4),
        ),
        SamathaConfig(
            adapter=LstmAdapterConfig(latent_dim=4, input_dim=2, length=3),
            vitakka=VitakkaConfig(num_probes=2),
            vicara=ProbeSpecificVicaraConfig(latent_dim=4, num_probes=2),
        ),
        SamathaConfig(
            adapter=TransformerAdapterConfig(latent_dim=4, length=3, vocabulary_size=5),
            vicara=WeightedVicaraConfig(latent_dim=4, lipschitz=None),
        ),
    ],
)
def test_every_kind_of_settings_comes_back(samatha: SamathaConfig, tmp_path: Path) -> None:
    system = SatipatthanaSystem(SystemConfig(samatha=samatha), output_dim=2)
    save(system, tmp_path / "system.pt")
    assert load(tmp_path / "system.pt").config == system.config


def changed(**samatha: Any) -> SystemConfig:
    config = small_config()
    return dataclasses.replace(config, samatha=dataclasses.replace(config.samatha, **samatha))


def test_other_settings_are_refused_by_their_first_difference(
    trained: SatipatthanaSystem, tmp_path: Path
) -> None:
    path = tmp_path / "system.pt"
    save(trained, path)
    vicara = dataclasses.replace(small_config().samatha.vicara, beta=0.7)
    for config, message in (
        (changed(vicara=vicara), r"config\.samatha\.vicara\.beta: expected 0\.7, got 0\.5"),
        (changed(max_steps=9), r"config\.samatha\.max_steps: expected 9, got 4"),
        (
            changed(vicara=WeightedVicaraConfig(latent_dim=5)),
            r"config\.samatha\.vicara\.class: expected 'WeightedVicaraConfig', got 'StandardV",
        ),
        (small_config(output_dim=4), r"config\.output_dim: expected 4, got 3"),
    ):
        system = SatipatthanaSystem(config)
        before = state_of(system)
        with pytest.raises(ValueError, match=message) as refused:
            load_into(system, path)
        assert "\n" not in str(refused.value)
        assert str(path) in str(refused.value)
        assert all(torch.equal(before[name], value) for name, value in state_of(system).items())


def test_a_file_cut_short_is_refused(trained: SatipatthanaSystem, tmp_path: Path) -> None:
    path = tmp_path / "system.pt"
    save(trained, path)
    content = path.read_bytes()
    for length in (0, 10, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="expected a checkpoint of satipatthana") as refused:
            load(path)
        assert "\n" not in str(refused.value)
        assert str(path) in str(refused.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="expected a checkpoint of satipatthana, version 1, got a"):
        load(path)
    torch.save({"format": "satipatthana", "version": 2}, path)
    with pytest.raises(ValueError, match="got version 2"):
        load(path)
    path.write_text("nothing of the kind")
    with pytest.raises(ValueError, match="expected a checkpoint of satipatthana"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.pt")


def test_settings_that_nobody_knows_are_refused(
    trained: SatipatthanaSystem, tmp_path: Path
) -> None:
    path = tmp_path / "system.pt"
    save(trained, path)
    content = torch.load(path, weights_only=True)
    content["config"]["samatha"]["class"] = "JhanaConfig"
    torch.save(content, path)
    with pytest.raises(ValueError, match="its configuration cannot be read, 'JhanaConfig'"):
        load(path)


def test_state_of_other_shapes_is_refused_and_changes_nothing(
    trained: SatipatthanaSystem, tmp_path: Path
) -> None:
    path = tmp_path / "system.pt"
    save(trained, path)
    content = torch.load(path, weights_only=True)
    content["state"]["samatha.vitakka.probes"] = torch.zeros(2, 5)
    torch.save(content, path)
    system = small_system()
    before = state_of(system)
    message = r"samatha\.vitakka\.probes: expected the shape \(3, 5\), got the shape \(2, 5\)"
    with pytest.raises(ValueError, match=message):
        load_into(system, path)
    assert all(torch.equal(before[name], value) for name, value in state_of(system).items())
    del content["state"]["samatha.vitakka.probes"]
    torch.save(content, path)
    with pytest.raises(
        ValueError, match=r"samatha\.vitakka\.probes: expected the shape .* nothing"
    ):
        load_into(system, path)


def test_a_failed_save_leaves_the_file_before_it(
    trained: SatipatthanaSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "system.pt"
    save(trained, path)
    content = path.read_bytes()

    def half(content: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="disk full"):
        save(trained, path)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["system.pt"]


def test_plain_settings_hold_nothing_but_plain_values() -> None:
    def values(content: Any) -> list[Any]:
        if isinstance(content, dict):
            return [value for item in content.values() for value in values(item)]
        return (
            [value for item in content for value in values(item)]
            if isinstance(content, tuple)
            else [content]
        )

    kinds = {type(value) for value in values(plain(small_config()))}
    assert kinds <= {int, float, str, bool, type(None)}
    assert plain(FallbackConfig())["class"] == "FallbackConfig"
