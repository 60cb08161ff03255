"""Trains a stack through the three stages of SPECTRUM 6.3, from an encoder's cached outputs."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from spectrum.stack.best_epochs import Best, Epoch
from spectrum.stack.checkpoint import keep, kept
from spectrum.stack.levels import visual_levels
from spectrum.stack.material import CaptionedImages
from spectrum.stack.neighbourhoods import Neighbourhoods, gathered, member_mask, nearest
from spectrum.stack.objectives import coupled, module_loss, weighted_losses
from spectrum.stack.reading import READ_AT_ONCE, Bank, read
from spectrum.stack.settings import StackTraining
from spectrum.stack.stack import Grids, Stack
from spectrum.stack.task_loss import Shown, task_loss

logger = logging.getLogger(__name__)


class StackTrainer:
    """Trains one stack on one material; `run` may be killed and goes on from its checkpoint."""

    def __init__(self, stack: Stack, material: CaptionedImages, training: StackTraining) -> None:
        count = len(material.captions)
        if count < 2 * training.validation:
            raise ValueError(
                f"the material has {count} captioned images: give at least"
                f" {2 * training.validation}"
            )
        self.stack, self.material, self.training = stack, material, training
        self.captions = torch.from_numpy(material.captions)
        self.described = functional.normalize(self.captions.mean(dim=1), dim=-1)
        everything = torch.arange(count)
        held = everything % training.validation == training.validation - 1
        self.learned, self.held = everything[~held], everything[held]
        # Row r of the memory is the r-th image that is learned from; others see all of it.
        self.remembered = self.learned[: stack.config.remembered]
        self.own = torch.full((count,), -1).index_put(
            (self.remembered,), torch.arange(len(self.remembered))
        )
        self.log_temperature = nn.Parameter(torch.tensor(training.temperature_start).log())
        self.history: list[Epoch] = []
        self.generator = torch.Generator().manual_seed(training.seed)
        self._kept_pooled: tuple[Tensor, ...] | None = None

    def start(self) -> None:
        """Closed forms: the description, and the readouts of NEXUS and ORACLE, by ridge."""
        view = self.material.views[0]
        rows = self.learned
        levels: list[list[Tensor]] = []
        width = self.stack.config.semantic_width
        with torch.no_grad():
            for part in torch.split(rows, READ_AT_ONCE):
                tokens = view.grids(part).tokens
                levels.append(visual_levels(view.vectors(part)[:, width:], tokens))
            joined = [torch.cat(level) for level in zip(*levels, strict=True)]
            self.stack.description.fit(joined, self.described[rows])
            if self.stack.config.remembered:
                shown = view.vectors(self.remembered)[:, width:]
                self.stack.memory.remember(shown, self.described[self.remembered])
            self.stack.nexus.readout.fit(self._pooled()[0][rows], self.described[rows], 0.1)
            grids = view.grids(rows[: 4 * READ_AT_ONCE])
            self.stack.oracle.fit_readout(grids.tokens, self.described[rows[: 4 * READ_AT_ONCE]])
        self.note(0, 0, float("nan"), 0.0, self._pooled()[0])

    @torch.no_grad()
    def _pooled(self) -> tuple[Float[Tensor, "N P"], ...]:
        """What NEXUS reads off every grid of every view while its windows stay as they are.

        They do until stage 3: a step back through the windows takes ten times all else together.
        """
        if self._kept_pooled is None:
            nexus = self.stack.nexus.eval()
            self._kept_pooled = tuple(
                torch.cat(
                    [nexus.pooled(view.grids(rows).tokens) for rows in view.blocks(READ_AT_ONCE)]
                )
                for view in self.material.views
            )
        return self._kept_pooled

    def run(
        self, checkpoint: Path | None = None, watch: Callable[[Epoch], None] | None = None
    ) -> list[Epoch]:
        """All stages; each ends with every part as the held-out images liked it best."""
        torch.manual_seed(self.training.seed)
        done = self._resumed(checkpoint)
        if not done:
            self.start()
        stages = (self.training.alone, self.training.together, self.training.integrated)
        for stage, epochs in enumerate(stages, start=1):
            if stage > done:
                self._stage(stage, epochs, watch)
                self._keep(checkpoint, stage)
        self.stack.eval()
        return self.history

    def _stage(self, stage: int, epochs: int, watch: Callable[[Epoch], None] | None) -> None:
        if epochs == 0:
            return
        training = self.training
        rate = training.learning_rate * (1.0, 0.2, 0.1)[stage - 1]
        parameters = [*self._learning(stage), self.log_temperature]
        torch.manual_seed(self.training.seed + stage)  # so that a resumed run goes on alike
        optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=training.weight_decay)
        steps = -(-len(self.learned) // training.batch)
        # Of five steps a fifth is one, and torch divides by the number of steps after the first.
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rate, total_steps=max(6, steps * epochs), pct_start=0.2
        )
        pooled = None if stage == 3 else self._pooled()
        if stage > 1:  # the last stage was left with other states than its last epoch's
            self.note(stage, 0, float("nan"), 0.0, None if pooled is None else pooled[0])
        best = Best(stage, self.stack, self.history[-1])
        for epoch in range(1, epochs + 1):
            started = time.perf_counter()
            bank = self._bank() if stage == 3 else None
            losses = []
            self.stack.train()
            for rows in self._batches(steps):
                shown = self._drawn(len(self.material.views))
                view = self.material.views[shown]
                known = None if pooled is None else pooled[shown]
                grids = view.grids(rows, known, self.own)
                loss = self._loss(stage, view.vectors(rows), grids, rows, bank)
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(parameters, 5.0)
                optimiser.step()
                schedule.step()
                losses.append(loss.item())
            seconds = time.perf_counter() - started
            first = None if pooled is None else pooled[0]
            said = self.note(stage, epoch, sum(losses) / len(losses), seconds, first)
            if watch is not None:
                watch(said)
            if best.waited(self.stack, said) >= training.patience:
                break
        self.stack.load_state_dict(best.state)

    def _learning(self, stage: int) -> list[nn.Parameter]:
        """What a stage moves: the last one what integrates; the readings have been learned."""
        stack = self.stack
        last: tuple[nn.Module, ...] = (stack.gates, stack.castle, stack.prism, stack.nexus)
        modules: tuple[nn.Module, ...] = last if stage == 3 else (stack,)
        return [each for module in modules for each in module.parameters()]

    def _loss(
        self,
        stage: int,
        features: Float[Tensor, "B D"],
        grids: Grids,
        rows: Int64[Tensor, " B"],
        bank: Bank | None,
    ) -> Float[Tensor, ""]:
        captions = self.captions[rows]
        readings = self.stack.readings(features, grids)
        temperature = self.log_temperature.exp()
        alone = {
            name: module_loss(made, captions, temperature)
            for name, made in readings._asdict().items()
        }
        loss = weighted_losses(alone, dict.fromkeys(alone, 1 / len(alone)))
        if stage >= 2:
            loss = loss + self.training.coupling * (
                coupled([readings.nexus, readings.oracle, readings.harmony, readings.prompts])
                + self.stack.prism.alignment(readings.prompts, self.described[rows]).loss
                / len(rows)
            )
        if stage == 3:
            assert bank is not None
            shown = Shown(features, readings, captions, self.described[rows])
            found = Neighbourhoods(bank.found.rows[rows], bank.found.mask[rows])
            loss = loss + task_loss(
                self.stack, shown, bank._replace(found=found), temperature, self.training
            )
        return loss

    @torch.no_grad()
    def _bank(self) -> Bank:
        """Every image as its neighbours see it now, and who its neighbours are."""
        local, readings = read(self.stack, self.material.views[0], None, self.own)
        own = torch.arange(len(local))
        likeness = local * self.stack.block_scales
        found = nearest(likeness, likeness, self.stack.config.neighbours, own)
        return Bank(local, readings.prompts, found)

    @torch.no_grad()
    def note(
        self,
        stage: int,
        epoch: int,
        loss: float,
        seconds: float,
        pooled: Float[Tensor, "N P"] | None = None,
    ) -> Epoch:
        """Measures the held-out images, whose neighbours are among those learned from."""
        local, readings = read(self.stack.eval(), self.material.views[0], pooled, self.own)
        refined = self._refined_held_out(local, readings.prompts)
        width = self.stack.config.semantic_width
        captions = self.captions[self.held]
        temperature = torch.tensor(self.training.temperature_start)
        said = Epoch(
            stage,
            epoch,
            loss,
            float(module_loss(refined[:, :width], captions, temperature)),
            {
                name: float(module_loss(made[self.held], captions, temperature))
                for name, made in readings._asdict().items()
            },
            seconds,
        )
        self.history.append(said)
        logger.info(
            "stage %d epoch %d: loss %.3f, held out %.4f, %s, %.0f s", stage, epoch, loss,
            said.validation_loss,
            " ".join(f"{name} {value:.3f}" for name, value in said.validation_losses.items()),
            seconds,
        )  # fmt: skip
        return said

    @torch.no_grad()
    def held_out(self) -> Float[Tensor, "H D"]:
        """The held-out images, refined among those that are learned from."""
        local, readings = read(self.stack.eval(), self.material.views[0], None, self.own)
        return self._refined_held_out(local, readings.prompts)

    def _refined_held_out(
        self, local: Float[Tensor, "N D"], prompts: Float[Tensor, "N S"]
    ) -> Float[Tensor, "H D"]:
        likeness = local * self.stack.block_scales
        found = nearest(likeness[self.held], likeness[self.learned], self.stack.config.neighbours)
        return self.stack.refined(
            gathered(local[self.held], local[self.learned], found),
            gathered(prompts[self.held], prompts[self.learned], found),
            member_mask(found),
        )

    def _batches(self, steps: int) -> Iterator[Int64[Tensor, " B"]]:
        order = self.learned[torch.randperm(len(self.learned), generator=self.generator)]
        yield from torch.tensor_split(order, steps)

    def _drawn(self, count: int) -> int:
        return int(torch.randint(count, (1,), generator=self.generator))

    def _keep(self, checkpoint: Path | None, stage: int) -> None:
        if checkpoint is not None:
            said = {
                "settings": self._settings(),
                "stage": stage,
                "stack": self.stack.state_dict(),
                "log_temperature": self.log_temperature.detach(),
                "generator": self.generator.get_state(),
                "history": [tuple(epoch) for epoch in self.history],
            }
            keep(checkpoint, said)

    def _resumed(self, checkpoint: Path | None) -> int:
        """The stage that a killed run had finished; 0 for a new start."""
        said = kept(checkpoint, self._settings()) if checkpoint else None
        if said is None:
            return 0
        self.stack.load_state_dict(said["stack"])
        with torch.no_grad():
            self.log_temperature.copy_(said["log_temperature"])
        self.generator.set_state(said["generator"])
        self.history = [Epoch(*epoch) for epoch in said["history"]]
        return int(said["stage"])

    def _settings(self) -> str:
        captions = hashlib.blake2b(self.material.captions.tobytes(), digest_size=16).hexdigest()
        return repr((asdict(self.training), self.stack.config, captions))
