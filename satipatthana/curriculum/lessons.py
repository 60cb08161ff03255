"""The four stages as lessons: streams of losses, batch by batch."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from satipatthana.configs.curriculum import CurriculumConfig, Path, StageConfig
from satipatthana.curriculum.losses import (
    adapter_loss,
    decoder_loss,
    samatha_loss,
    task_loss,
    vipassana_loss,
)
from satipatthana.curriculum.material import Material
from satipatthana.curriculum.mixer import StageTwoBatch, mixed_batch, path_counts
from satipatthana.curriculum.stages import Stage
from satipatthana.outputs import SantanaLog
from satipatthana.samatha.draws import randperm
from satipatthana.samatha.resonance import squared_distances
from satipatthana.shapes import Float, Int
from satipatthana.system import SatipatthanaSystem

Terms = Mapping[str, Tensor]
"""Losses by name; `total` is what is minimised."""
Losses = Iterator[Terms]

JUDGED_AT_ONCE = 256


class Lesson(NamedTuple):
    """One stage, ready to be taught."""

    stage: Stage
    config: StageConfig
    train: Callable[[], Losses]
    """The terms of each batch of an epoch, in another order each time."""
    held_out: Callable[[], Losses]
    """The same of the samples held out, and the same each time."""
    goal_term: str = "total"
    """Which term the goal is about."""


class Lessons:
    """Makes the lesson of each stage from one material."""

    def __init__(
        self,
        system: SatipatthanaSystem,
        material: Material,
        config: CurriculumConfig,
        generator: torch.Generator,
    ) -> None:
        self.system = system
        self.material = material
        self.config = config
        self.generator = generator

    def fixed_generator(self) -> torch.Generator:
        """The same draws each time, for what is held out."""
        return torch.Generator(self.generator.device).manual_seed(self.config.seed)

    def batches(
        self, rows: Int[Tensor, " N"], generator: torch.Generator
    ) -> Iterator[Int[Tensor, " B"]]:
        """The rows in random order, in batches of nearly one size."""
        order = randperm(len(rows), generator)
        count = -(-len(rows) // self.config.batch_size)
        yield from rows[order.to(rows.device)].tensor_split(count)

    def adapter(self) -> Lesson:
        """Stage 0: the input, back from z."""

        def losses(rows: Tensor, generator: torch.Generator) -> Losses:
            samatha = self.system.samatha
            for batch in self.batches(rows, generator):
                x = self.material.x[batch]
                seen = self.disturbed(x, generator)
                reconstruction = self.system.adapter_recon_head(samatha.adapter(seen))
                yield {"total": adapter_loss(reconstruction, samatha.adapter.target(x))}

        return self.lesson("adapter", self.config.adapter, self.material.learning, losses)

    def samatha(self) -> Lesson:
        """Stage 1: states that come to rest, and still tell what they were made of."""

        def losses(rows: Tensor, generator: torch.Generator) -> Losses:
            for batch in self.batches(rows, generator):
                yield self.samatha_terms(batch, generator)

        lesson = self.lesson("samatha", self.config.samatha, self.material.learning, losses)
        # States that may not move are at rest, which says nothing.
        moves = self.system.config.samatha.max_steps > 0
        return lesson._replace(goal_term="stability" if moves else "total")

    def samatha_terms(self, batch: Int[Tensor, " B"], generator: torch.Generator) -> Terms:
        """Stage 1's losses of these rows."""
        system, config, x = self.system, self.config, self.material.x[batch]
        seen = self.disturbed(x, generator)
        s_star, santana, _ = system.samatha(seen, run_augmenter=False, generator=generator)
        guidance = None
        if system.aux_head is not None and self.material.y is not None:
            answer = system.aux_head(s_star)
            guidance = task_loss(answer, self.material.y[batch], system.config.task)
        z, probes = santana.metadata["z"], system.samatha.vitakka.probes
        loss = samatha_loss(
            *last_move(santana),
            system.samatha_recon_head(s_star),
            system.samatha.adapter.target(x),
            guidance,
            squared_distances(z, probes).amin(dim=1) if config.probe_weight else None,
            stability_weight=config.stability_weight,
            recon_weight=config.recon_weight,
            guidance_weight=config.guidance_weight,
            probe_weight=config.probe_weight,
        )
        return loss._asdict()

    def vipassana(self) -> Lesson:
        """Stage 2: which ways were sound."""

        def losses(rows: Tensor, generator: torch.Generator) -> Losses:
            for batch in self.mixed_batches(rows, generator):
                judgement = self.system.judge(batch.s_star, batch.santana, batch.x, batch.extra)
                loss = vipassana_loss(judgement, batch.targets, batch.weights)
                yield {**loss._asdict(), "mean": loss.total / 3}

        lesson = self.lesson("vipassana", self.config.vipassana, self.material.insight, losses)
        return lesson._replace(goal_term="mean")

    def mixed_batches(
        self, rows: Int[Tensor, " N"], generator: torch.Generator
    ) -> Iterator[StageTwoBatch]:
        """Batches of the five paths; together they show each row once on the clean path.

        The other paths draw their rows anew for each batch, none twice in it.
        """
        material = self.material
        held_out = rows is material.held_out
        void = material.held_out_void if held_out else material.void
        counts = path_counts(self.config.path_mix, self.config.batch_size)
        order = randperm(len(rows), generator)
        for clean in torch.split(order, counts["clean"]):
            samples: dict[Path, Tensor] = {"clean": material.x[rows[clean.to(rows.device)]]}
            for path in ("augmented", "drunk", "mismatch"):
                drawn = randperm(len(rows), generator)
                samples[path] = material.x[rows[drawn[: counts[path]].to(rows.device)]]
            if void is not None:
                samples["void"] = void.sample(counts["void"], generator)
            yield mixed_batch(
                self.system,
                samples,
                self.config.noise_level,
                self.config.score_weights,
                generator,
                material.extra,
            )

    def decoder(self) -> Lesson:
        """Stage 3: the answer. What it is made from is fixed by now, and worked out once."""
        system, material = self.system, self.material
        s_star, v_ctx = self.judged_states()

        def losses(rows: Tensor, generator: torch.Generator) -> Losses:
            for batch in self.batches(rows, generator):
                answer = system.decoder.raw(s_star[batch], v_ctx[batch])
                if system.config.task == "reconstruction":
                    wanted = system.samatha.adapter.target(material.x[batch])
                else:
                    assert material.y is not None
                    wanted = material.y[batch]
                yield {"total": decoder_loss(answer, wanted, system.config.task)}

        return self.lesson("decoder", self.config.decoder, material.decoding, losses)

    @torch.no_grad()
    def judged_states(self) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N C"]]:
        """S* and V_ctx of all samples."""
        states, contexts = [], []
        for x in torch.split(self.material.x, JUDGED_AT_ONCE):
            s_star, santana, _ = self.system.samatha(x, run_augmenter=False)
            extra = None if self.material.extra is None else self.material.extra(x)
            states.append(s_star)
            contexts.append(self.system.judge(s_star, santana, x, extra).v_ctx)
        return torch.cat(states), torch.cat(contexts)

    def disturbed(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What stages 0 and 1 see of the input."""
        if not self.config.denoising:
            return x
        seen: Tensor = self.system.samatha.augmenter(x, self.config.noise_level, generator)[0]
        return seen

    def lesson(
        self,
        stage: Stage,
        config: StageConfig,
        rows: Int[Tensor, " N"],
        losses: Callable[[Tensor, torch.Generator], Losses],
    ) -> Lesson:
        """A stage's losses, on the rows it learns from and on those held out."""
        return Lesson(
            stage,
            config,
            lambda: losses(rows, self.generator),
            lambda: losses(self.material.held_out, self.fixed_generator()),
        )


def last_move(santana: SantanaLog) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
    """Each sample's last state and the one before its last real move; twice S_0 without a move."""
    trajectory = santana.to_tensor()
    last = santana.convergence_steps
    samples = torch.arange(trajectory.shape[1], device=trajectory.device)
    return trajectory[last, samples], trajectory[(last - 1).clamp_min(0), samples]
