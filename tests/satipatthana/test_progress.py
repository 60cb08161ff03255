import builtins
import logging
from typing import Any

import pytest

from satipatthana.progress import BarProgress, LogProgress, Progress, SilentProgress


def told(progress: Progress) -> None:
    progress.stage_started("samatha", 3)
    progress.epoch_ended("samatha", 1, {"total": 2.0}, {"stability": 0.5, "total": 1.5})
    progress.stage_ended("samatha", "goal")


LINES = [
    "samatha: at most 3 epochs",
    "samatha: epoch 1, loss 2, held out 1.5 (stability 0.5)",
    "samatha: ended, goal",
]


def test_silence(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told(SilentProgress())
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_log_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    told(LogProgress())
    assert caplog.messages == LINES


def test_bars_end_with_how_the_stage_ended(capsys: pytest.CaptureFixture[str]) -> None:
    told(BarProgress())
    assert "samatha: ended, goal" in capsys.readouterr().out


def test_without_rich_bars_are_log_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    imported = builtins.__import__

    def without_rich(name: str, *arguments: Any, **settings: Any) -> Any:
        if name.split(".")[0] == "rich":
            raise ImportError(name)
        return imported(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    caplog.set_level(logging.INFO)
    told(BarProgress())
    assert caplog.messages == LINES


def test_a_skipped_stage_needs_no_bar(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    BarProgress().stage_ended("decoder", "skipped")
    assert caplog.messages == ["decoder: ended, skipped"]


@pytest.mark.parametrize("kind", [SilentProgress, LogProgress, BarProgress])
def test_all_are_progress(kind: type) -> None:
    assert isinstance(kind(), Progress)
