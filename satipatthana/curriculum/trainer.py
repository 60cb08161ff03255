"""The curriculum: four stages, each building on the ones before."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from satipatthana.configs.curriculum import CurriculumConfig
from satipatthana.curriculum.history import EpochRecord, StageHistory, TrainingHistory
from satipatthana.curriculum.lessons import JUDGED_AT_ONCE, Lesson, Lessons, Terms
from satipatthana.curriculum.material import Material, gathered
from satipatthana.curriculum.mixer import ExtraFeatures, path_counts
from satipatthana.curriculum.stages import freeze, trained_modules
from satipatthana.curriculum.transitions import Transition
from satipatthana.outputs import SCORES, SantanaLog
from satipatthana.progress import Progress, SilentProgress
from satipatthana.samatha.sati import FixedStepSati
from satipatthana.samatha.vitakka import Vitakka
from satipatthana.shapes import Shaped
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import VoidDataset

SCALED_BY = 1024
"""Samples, at most, that thresholds and scales are fitted to."""


def fit(
    system: SatipatthanaSystem,
    x: Shaped[Tensor, "N ..."],
    y: Shaped[Tensor, "N ..."] | None = None,
    void: VoidDataset | Shaped[Tensor, "N2 ..."] | None = None,
    extra: ExtraFeatures | None = None,
    config: CurriculumConfig | None = None,
    progress: Progress | None = None,
) -> TrainingHistory:
    """Trains the system through all stages, and tells how it went; section 8 of the specification.

    `x` are known samples, moved whole to the system's device; `y` their classes (N) or numbers
    (N Y), where the task has any; `void` unknown samples, None: made of the known by shuffling
    and noise; `extra` gives the extra features of any batch of samples. The same seed gives the
    same training and leaves torch's own generator as it was.

    The system ends in scoring mode, also after KeyboardInterrupt, which passes through; a stage
    that was interrupted keeps the weights of its best finished epoch. A stage of no epochs is
    skipped. ValueError, naming the argument, for material that cannot be trained on;
    FloatingPointError where a loss stops being a number.
    """
    config = config or CurriculumConfig()
    progress = progress or SilentProgress()
    devices = [system.device] if system.device.type == "cuda" else []
    history = TrainingHistory()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(config.seed)
        generator = torch.Generator(system.device).manual_seed(config.seed)
        require_labels(system, y, config)
        path_counts(config.path_mix, config.batch_size)
        material = gathered(system, x, y, void, extra, config, generator)
        lessons = Lessons(system, material, config, generator)
        system.eval()

        learn(system, lessons.adapter(), history, progress)
        if config.samatha.max_epochs and config.seeded_probes:
            seed_probes(system, material, generator)
        learn(system, lessons.samatha(), history, progress)
        if config.samatha.max_epochs or config.vipassana.max_epochs:
            fit_threshold(system, material)
        if config.vipassana.max_epochs:
            fit_scales(system, material)
        learn(system, lessons.vipassana(), history, progress)
        if config.vipassana.max_epochs:
            history.path_scores = path_scores(system, lessons)
        if config.decoder.max_epochs:
            system.aux_head = None
        if config.decoder.max_epochs and list(system.decoder.parameters()):
            learn(system, lessons.decoder(), history, progress)
    return history


def require_labels(system: SatipatthanaSystem, y: Tensor | None, config: CurriculumConfig) -> None:
    """ValueError where a stage to come needs labels and there are none."""
    task = system.config.task
    decoded = (
        task in ("classification", "regression")
        and config.decoder.max_epochs
        and list(system.decoder.parameters())
    )
    guided = system.aux_head is not None and config.samatha.max_epochs and config.guidance_weight
    if y is None and (decoded or guided):
        raise ValueError(f"y: expected one label for each sample (task {task!r}), got None")


def learn(
    system: SatipatthanaSystem, lesson: Lesson, history: TrainingHistory, progress: Progress
) -> None:
    """Teaches one stage until it has done enough, and adds its history."""
    record = StageHistory(stage=lesson.stage)
    history.stages.append(record)
    if lesson.config.max_epochs == 0:
        progress.stage_ended(lesson.stage, record.ended)
        return
    record.ended = "interrupted"
    progress.stage_started(lesson.stage, lesson.config.max_epochs)
    kept = snapshot(system, lesson)
    try:
        with freeze(system, lesson.stage) as parameters:
            optimiser = torch.optim.AdamW(
                parameters,
                lr=lesson.config.learning_rate,
                weight_decay=lesson.config.weight_decay,
            )
            transition, ending = Transition(lesson.config), None
            while ending is None:
                epoch = one_epoch(system, lesson, optimiser, record)
                record.epochs.append(epoch)
                if transition.improves(epoch.held_out["total"]):
                    kept, record.kept_epoch = snapshot(system, lesson), transition.epochs
                ending = transition.ending(epoch.held_out[lesson.goal_term])
                progress.epoch_ended(lesson.stage, transition.epochs, epoch.train, epoch.held_out)
            record.ended = ending
            if ending == "goal":
                # A goal that was met stays met, even if the whole loss was lower once.
                kept, record.kept_epoch = snapshot(system, lesson), transition.epochs
    finally:
        restore(system, lesson, kept)
        progress.stage_ended(lesson.stage, record.ended)


def one_epoch(
    system: SatipatthanaSystem,
    lesson: Lesson,
    optimiser: torch.optim.Optimizer,
    record: StageHistory,
) -> EpochRecord:
    """Once through the batches, a step each, which `record` counts; then the losses on what is held
    out."""
    started = time.perf_counter()

    def steps() -> Iterable[Terms]:
        for terms in lesson.train():
            optimiser.zero_grad()
            torch.autograd.backward(terms["total"])
            optimiser.step()
            record.steps += 1
            yield terms

    train = means(steps(), lesson)
    with system.scoring():
        held_out = means(lesson.held_out(), lesson)
    return EpochRecord(train=train, held_out=held_out, seconds=time.perf_counter() - started)


def means(batches: Iterable[Terms], lesson: Lesson) -> dict[str, float]:
    """Each term's mean over the batches. FloatingPointError where one is no number."""
    values: dict[str, list[Tensor]] = defaultdict(list)
    for terms in batches:
        for name, value in terms.items():
            values[name].append(value.detach())
    found = {name: float(torch.stack(each).mean()) for name, each in values.items()}
    for name, mean in found.items():
        if not math.isfinite(mean):
            raise FloatingPointError(
                f"{lesson.stage}.learning_rate: expected a rate at which the loss {name!r} stays"
                f" finite, got {lesson.config.learning_rate}, at which it is {mean}"
            )
    return found


def snapshot(system: SatipatthanaSystem, lesson: Lesson) -> list[dict[str, Tensor]]:
    """A copy of everything that the stage trains."""
    return [
        {name: value.clone() for name, value in module.state_dict().items()}
        for module in trained_modules(system, lesson.stage)
    ]


def restore(system: SatipatthanaSystem, lesson: Lesson, states: list[dict[str, Tensor]]) -> None:
    """Puts the copy back."""
    for module, state in zip(trained_modules(system, lesson.stage), states, strict=True):
        module.load_state_dict(state)


@torch.no_grad()
def seed_probes(system: SatipatthanaSystem, material: Material, generator: torch.Generator) -> None:
    """Before stage 1: puts the probes where the samples lie."""
    vitakka = system.samatha.vitakka
    if isinstance(vitakka, Vitakka):
        samples = material.x[material.learning]
        z = torch.cat([system.samatha.adapter(x) for x in torch.split(samples, JUDGED_AT_ONCE)])
        vitakka.seed_probes(z, generator)


@torch.no_grad()
def fit_threshold(system: SatipatthanaSystem, material: Material) -> None:
    """After stage 1: sets Sati's epsilon by how fast samples settle when none is stopped."""
    samatha, sati = system.samatha, system.samatha.sati
    samatha.sati = FixedStepSati()
    try:
        samples = material.x[material.insight[:SCALED_BY]]
        _, santana, _ = samatha(samples, run_augmenter=False)
    finally:
        samatha.sati = sati
    sati.fit(santana.to_tensor())


@torch.no_grad()
def fit_scales(system: SatipatthanaSystem, material: Material) -> None:
    """Before stage 2: what is usual of each metric and step, and which way voids differ.

    Without voids every metric is taken to be worse when higher, as the specification's table has
    it.
    """

    def settled(x: Tensor) -> tuple[Tensor, SantanaLog, Tensor]:
        s_star, santana, _ = system.samatha(x, run_augmenter=False)
        extra = None if material.extra is None else material.extra(x)
        return s_star, santana, system.metrics(s_star, santana, x, extra)

    known = material.x[material.insight[:SCALED_BY]]
    s_star, santana, clean = settled(known)
    void = clean if material.void is None else settled(material.void.samples[:SCALED_BY])[2]
    _, step_errors = system.reconstruction_errors(s_star, santana, known)
    system.vipassana.vipassana.fit_metrics(clean, void)
    system.vipassana.vipassana.fit_steps(s_star, santana, step_errors)


@torch.no_grad()
def path_scores(system: SatipatthanaSystem, lessons: Lessons) -> dict[str, dict[str, float]]:
    """Mean of each score on each path, over the samples held out."""
    found: dict[str, dict[str, list[float]]] = {}
    held_out = lessons.material.held_out
    for batch in lessons.mixed_batches(held_out, lessons.fixed_generator()):
        judgement = system.judge(batch.s_star, batch.santana, batch.x, batch.extra)
        for name in SCORES:
            values = getattr(judgement, f"{name}_score")[:, 0].tolist()
            for path, value in zip(batch.paths, values, strict=True):
                found.setdefault(path, {}).setdefault(name, []).append(value)
    return {
        path: {name: sum(values) / len(values) for name, values in scores.items()}
        for path, scores in found.items()
    }
