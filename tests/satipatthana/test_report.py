"""The report of a training: what it says, and that it loads nothing."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest
import torch
from matplotlib import pyplot
from torch import Tensor

from satipatthana.configs import (
    CurriculumConfig,
    SamathaConfig,
    StageConfig,
    StandardVipassanaConfig,
    SystemConfig,
    VipassanaEngineConfig,
    VitakkaConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum.history import EpochRecord, StageHistory, TrainingHistory
from satipatthana.report import write_report
from satipatthana.report.evidence import auroc, projected
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import VoidDataset

DIM, CLASSES, PROBES = 5, 3, 4


class Page(HTMLParser):
    """What a reader of the page, or of its pictures' texts, gets."""

    VOID_TAGS = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sections: list[str] = []
        """The visible text of each section."""
        self.pictures: list[list[str]] = []
        """The alternative texts of each section's pictures."""
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID_TAGS:
            self.open.append(tag)
        if tag == "section":
            self.sections.append("")
            self.pictures.append([])
        if tag == "svg":
            assert dict(attrs)["role"] == "img"
            self.pictures[-1].append(dict(attrs)["aria-label"] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "section" in self.open and "svg" not in self.open:
            self.sections[-1] += data


def epoch(loss: float, seconds: float = 0.5) -> EpochRecord:
    return EpochRecord(
        train={"total": loss, "part": loss / 2},
        held_out={"total": loss + 0.25, "part": loss / 4},
        seconds=seconds,
    )


@pytest.fixture
def history() -> TrainingHistory:
    """Four stages that ended in four ways."""
    return TrainingHistory(
        stages=[
            StageHistory(
                stage="adapter", epochs=[epoch(4.0), epoch(0.5)], ended="max_epochs", kept_epoch=2
            ),
            StageHistory(stage="samatha", epochs=[epoch(0.001)], ended="goal", kept_epoch=1),
            StageHistory(
                stage="vipassana",
                epochs=[epoch(1.5), epoch(1.0), epoch(1.25)],
                ended="plateau",
                kept_epoch=2,
            ),
            StageHistory(stage="decoder"),
        ],
        path_scores={
            "void": {"trust": 0.125, "conformity": 0.25, "confidence": 0.375},
            "clean": {"trust": 0.875, "conformity": 0.75, "confidence": 0.625},
        },
    )


def small_system(**vipassana: object) -> SatipatthanaSystem:
    torch.manual_seed(0)
    config = SystemConfig(
        samatha=SamathaConfig(
            adapter=create_adapter_config("mlp", input_dim=DIM, latent_dim=8, hidden_dims=()),
            vitakka=VitakkaConfig(num_probes=PROBES),
            vicara=create_vicara_config("standard", latent_dim=8),
        ),
        vipassana=VipassanaEngineConfig(vipassana=StandardVipassanaConfig(**vipassana)),  # type: ignore[arg-type]
        output_dim=CLASSES,
    )
    return SatipatthanaSystem(config)


@pytest.fixture
def samples() -> Tensor:
    return torch.randn(24, DIM, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def whole_page(tmp_path: Path, history: TrainingHistory, samples: Tensor) -> str:
    """A report with everything in it."""
    y = torch.arange(24) % CLASSES
    training = CurriculumConfig(batch_size=17, vipassana=StageConfig(max_epochs=9, patience=8))
    path = write_report(
        tmp_path / "report.html",
        history,
        small_system(),
        samples,
        VoidDataset(samples[:11] + 3.0),
        y,
        training=training,
    )
    assert [child.name for child in tmp_path.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_the_page_names_each_stage_and_why_it_ended(
    tmp_path: Path, history: TrainingHistory
) -> None:
    page = write_report(tmp_path / "report.html", history).read_text(encoding="utf-8")
    rows = [re.sub(r"<[^>]+>", "|", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
    assert rows[1:5] == [
        "|Stage 0, adapter||its epochs were used up||2||2||0.75||part 0.125||1.0|",
        "|Stage 1, Samatha||its goal was met||1||1||0.251||part 0.00025||0.5|",
        "|Stage 2, Vipassana||its held-out loss stopped falling||3||2||1.25||part 0.25||1.5|",
        "|Stage 3, decoder||there was nothing to train||0||||||||0.0|",
    ]
    assert "3 stages were trained in 6 epochs, 3 seconds." in page


def test_an_interrupted_stage_says_so(tmp_path: Path) -> None:
    stage = StageHistory(stage="samatha", epochs=[epoch(1.0)], ended="interrupted")
    page = write_report(tmp_path / "report.html", TrainingHistory(stages=[stage])).read_text()
    assert "ended because it was interrupted" in page


def test_every_section_of_figures_has_pictures_with_words(whole_page: str) -> None:
    page = Page(whole_page)
    losses, trajectories, scores, answers, settings = page.pictures
    assert losses == [
        "Stage 0, adapter, loss by epoch, 2 in all:"
        " training from 4 to 0.5, held out from 4.25 to 0.75.",
        "Stage 1, Samatha, loss by epoch, 1 in all:"
        " training from 0.001 to 0.001, held out from 0.251 to 0.251.",
        "Stage 2, Vipassana, loss by epoch, 3 in all:"
        " training from 1.5 to 1.25, held out from 1.75 to 1.5.",
    ]
    assert len(trajectories) == 1
    assert re.fullmatch(
        r"Trajectories in the plane: 24 known ways that move [\d.]+ on average,"
        r" 11 void ways that move [\d.]+ on average; 4 probes\.",
        trajectories[0],
    )
    for name, alt in zip(("trust", "conformity", "confidence"), scores, strict=True):
        number = r"0\.\d\d"
        assert re.fullmatch(
            rf"Histograms of {name} by path, medians: clean {number}, augmented {number},"
            rf" drunk {number}, mismatch {number}, void {number}\.",
            alt,
        )
    assert answers == settings == []


def test_the_page_loads_nothing_and_is_small(whole_page: str) -> None:
    for name, value in Page(whole_page).attributes:
        assert "//" not in value, f"{name}={value}"
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#"), f"{name}={value}"
    assert "<script" not in whole_page
    assert "@import" not in whole_page
    assert re.findall(r"url\((?!#)", whole_page) == []
    assert len(whole_page.encode()) < 1_000_000


def test_the_page_is_readable_on_small_and_dark_screens(whole_page: str) -> None:
    """Every colour that is drawn with has a light and a dark value, and no picture a width."""
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+)", block))
        for block in whole_page.split("<body>")[0].split("prefers-color-scheme: dark")
    )
    drawn = set(re.findall(r"var\(--(\w+)\)", whole_page))
    assert {"ink", "clean", "void"} <= drawn
    assert drawn <= light.keys() == dark.keys()
    assert all(light[name] != dark[name] for name in drawn)
    assert 'name="viewport"' in whole_page
    body = whole_page.split("<body>")[1]
    assert re.findall(r"<svg[^>]* width=", body) == []
    assert re.findall(r"#[0-9a-f]{6}\b", body) == []


def test_the_settings_are_those_of_system_and_training(whole_page: str) -> None:
    for name, value in [
        ("samatha.vitakka.num_probes", "4"),
        ("samatha.adapter.hidden_dims", "none"),
        ("samatha.augmenter.type", "gaussian"),
        ("training.batch_size", "17"),
        ("training.vipassana.patience", "8"),
        ("training.score_weights.trust.drunk", "0.0"),
        ("torch", torch.__version__),
    ]:
        assert f'<th scope="row">{name}</th><td>{value}</td>' in whole_page


def test_without_samples_the_training_s_own_means_are_shown(
    tmp_path: Path, history: TrainingHistory
) -> None:
    page = write_report(tmp_path / "report.html", history).read_text(encoding="utf-8")
    assert '<th scope="row">clean</th><td>0.875</td><td>0.750</td><td>0.625</td>' in page
    assert page.index(">clean<") < page.index(">void<")
    assert "Not shown, as not given: system, training." in page
    assert "Trajectories" not in page


def test_a_report_is_the_same_each_time_and_leaves_the_system_alone(
    tmp_path: Path, history: TrainingHistory, samples: Tensor
) -> None:
    system = small_system().train()
    before = {name: value.clone() for name, value in system.state_dict().items()}
    chance, settings = torch.get_rng_state(), dict(matplotlib.rcParams)
    first = write_report(tmp_path / "a.html", history, system, samples, samples + 1.0)
    second = write_report(tmp_path / "b.html", history, system, samples, samples + 1.0)
    assert first.read_bytes() == second.read_bytes()
    assert torch.equal(torch.get_rng_state(), chance)
    assert dict(matplotlib.rcParams) == settings
    assert system.training
    assert all(torch.equal(value, before[name]) for name, value in system.state_dict().items())
    assert pyplot.get_fignums() == []


def test_a_png_holds_the_pictures(
    tmp_path: Path, history: TrainingHistory, samples: Tensor
) -> None:
    losses = write_report(tmp_path / "losses.png", history).read_bytes()
    everything = write_report(tmp_path / "all.png", history, small_system(), samples).read_bytes()
    assert losses.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(losses[start : start + 4]) for start in (16, 20))
    both = [int.from_bytes(everything[start : start + 4]) for start in (16, 20)]
    # Three stages in a row; then a second row, of four.
    assert both == [width * 4 // 3, height * 2]


def test_one_sample_is_enough(tmp_path: Path, history: TrainingHistory, samples: Tensor) -> None:
    """It has nobody to be mistaken for, so there is no mismatch."""
    path = write_report(tmp_path / "report.html", history, small_system(), samples[:1])
    alts = Page(path.read_text(encoding="utf-8")).pictures[2]
    assert re.search(r"clean 0\.\d\d, augmented 0\.\d\d, drunk 0\.\d\d\.$", alts[0])


def test_text_is_escaped(tmp_path: Path, history: TrainingHistory, samples: Tensor) -> None:
    system = small_system(extra_features=("<b>margin</b>",))
    path = write_report(
        tmp_path / "report.html",
        history,
        system,
        samples,
        extra=lambda x: x[:, :1],
    )
    page = path.read_text(encoding="utf-8")
    assert "&lt;b&gt;margin&lt;/b&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_what_is_missing_is_named_with_what_to_do(
    missing: str, tmp_path: Path, history: TrainingHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError) as error:
        write_report(tmp_path / "report.html", history)
    assert str(error.value) == (
        f"a report: expected {missing}, got none; pip install 'spectrum-retrieval[report]'"
    )
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_named(tmp_path: Path, history: TrainingHistory, samples: Tensor) -> None:
    system, page = small_system(), tmp_path / "report.html"
    with pytest.raises(ValueError, match=r"path's ending: expected one of .html, .png, got '.pdf'"):
        write_report(tmp_path / "report.pdf", history)
    with pytest.raises(ValueError, match=r"system: expected, beside the samples .* got None"):
        write_report(page, history, x=samples)
    with pytest.raises(ValueError, match=r"x: expected, beside the samples .* got None"):
        write_report(page, history, system, void=samples)
    with pytest.raises(ValueError, match=r"void: expected the shape \(B, 5\), got \(24, 4\)"):
        write_report(page, history, system, samples, samples[:, :4])
    with pytest.raises(ValueError, match="y: expected 24 entries, got 3"):
        write_report(page, history, system, samples, y=torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="history: expected one epoch or more"):
        write_report(tmp_path / "report.png", TrainingHistory())
    assert list(tmp_path.iterdir()) == []


def test_a_plane_holds_what_lies_in_a_plane() -> None:
    """States in a plane of five dimensions keep their distances, and the axes hold everything."""
    generator = torch.Generator().manual_seed(2)
    basis = torch.linalg.qr(torch.randn(5, 2, generator=generator))[0]
    known = torch.randn(4, 7, 2, generator=generator)
    probes = torch.randn(3, 2, generator=generator)
    found = projected(known @ basis.T, None, probes @ basis.T)
    assert found.void is None
    assert sum(found.explained) == pytest.approx(1.0)
    assert found.explained[0] >= found.explained[1]
    distances = torch.cdist(found.known.flatten(0, 1), found.probes)
    torch.testing.assert_close(
        distances, torch.cdist(known.flatten(0, 1), probes), rtol=1e-4, atol=1e-4
    )


def test_states_that_are_all_the_same_have_no_variance() -> None:
    same = torch.ones(2, 3, 4)
    assert projected(same, same, same[0]).explained == (0.0, 0.0)


@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [([3.0, 4.0], [1.0, 2.0], 1.0), ([1.0, 3.0], [2.0, 3.0], 0.375), ([1.0], [1.0], 0.5)],
)
def test_auroc_by_hand(higher: list[float], lower: list[float], expected: float) -> None:
    assert auroc(torch.tensor(higher), torch.tensor(lower)) == expected
