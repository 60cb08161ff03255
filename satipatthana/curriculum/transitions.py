"""When a stage has done enough: section 8.3 of the specification."""

import math
from typing import Literal

from satipatthana.configs.curriculum import StageConfig

LEVELLED_OFF = 0.01
"""A held-out loss that falls by less than this share in an epoch has levelled off."""

Ending = Literal["goal", "plateau", "max_epochs", "skipped", "interrupted"]
"""Why a stage ended: its goal was met, its held-out loss stopped falling, its epochs were used up,
it had nothing to do, or something stopped it."""


class Transition:
    """Watches one stage's held-out loss, epoch by epoch."""

    def __init__(self, config: StageConfig) -> None:
        self.config = config
        self.epochs = 0
        self.best_loss = math.inf
        self.best_epoch = 0
        """The epoch of the lowest held-out loss, counted from 1; 0 before the first."""
        self.levelled_off = False

    def improves(self, held_out_loss: float) -> bool:
        """Counts an epoch; whether its held-out loss is the lowest so far."""
        self.epochs += 1
        self.levelled_off = not held_out_loss < (1.0 - LEVELLED_OFF) * self.best_loss
        improved = held_out_loss < self.best_loss
        if improved:
            self.best_loss, self.best_epoch = held_out_loss, self.epochs
        return improved

    def ending(self, goal_loss: float) -> Ending | None:
        """Why the stage ends after the epochs counted so far, or None where it goes on.

        `goal_loss` is what the goal is about, which need not be the loss that patience watches: in
        stage 1 it is the stability alone. A goal that is met ends the stage as soon as the held-out
        loss has levelled off too. A bounded refiner is stable before it has learned anything, and
        ending there, as the specification's words would have it, leaves S* without content.
        """
        goal = self.config.goal
        if goal is not None and goal_loss < goal and self.levelled_off:
            return "goal"
        if self.epochs - self.best_epoch >= self.config.patience:
            return "plateau"
        return "max_epochs" if self.epochs >= self.config.max_epochs else None
