"""The captioner's training survives `kill -9`."""

import signal
import subprocess
import sys
from pathlib import Path

import torch

from spectrum.training.caption_trainer import CaptionTrainer
from tests.spectrum.training.test_captioner_training import TRAINING, invented

KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from spectrum.training import caption_trainer
from tests.spectrum.training.test_captioner_training import TRAINING, invented

moment, path, calls = sys.argv[1], Path(sys.argv[2]), 0

def dies():
    os.kill(os.getpid(), signal.SIGKILL)

def loss(*arguments, lesson_loss=caption_trainer.lesson_loss):
    global calls
    calls += 1
    if moment == "learning" and calls == 5:  # three steps an epoch
        dies()
    return lesson_loss(*arguments)

def save(state, unfinished, whole=torch.save):
    whole(state, unfinished)
    if moment == "saving" and len(state["history"]) == 2:
        os.truncate(unfinished, os.path.getsize(unfinished) // 2)
        dies()

caption_trainer.lesson_loss, torch.save = loss, save
caption_trainer.CaptionTrainer(TRAINING, invented(), path).train()
"""


def test_kill_9_costs_an_epoch_and_changes_nothing(tmp_path: Path) -> None:
    """Processes that die in their second epoch: in the midst of it, or half-way in its file."""
    paths = {moment: tmp_path / f"{moment}.pt" for moment in ("learning", "saving")}
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", KILLED, moment, str(path)],
            cwd=Path(__file__).parents[3],
            stderr=subprocess.PIPE,
            text=True,
        )
        for moment, path in paths.items()
    ]
    material = invented()
    whole = CaptionTrainer(TRAINING, material, tmp_path / "whole.pt")
    whole.train()
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, said
    assert (tmp_path / "saving.partial").exists(), "it died before it wrote"
    for path in paths.values():
        resumed = CaptionTrainer(TRAINING, material, path)
        resumed.resume()
        assert resumed.history == whole.history[:1]
        resumed.train()
        assert resumed.history == whole.history
        for name, part in whole.network.state_dict().items():
            torch.testing.assert_close(resumed.network.state_dict()[name], part, rtol=0, atol=0)
