"""Which angles bring this arm to that point, and should it move at all?

Robot control: an MLP adapter, Gaussian noise while training, weighted refiners, a conditional
decoder. A two-link arm learns its inverse kinematics on the part of the table where it works. Where
a target is not trusted it isn't guessed at: the fall-back works it out slowly, or stays at home.

python examples/satipatthana/robot_control.py
"""

import math

import torch
from plain import auroc, of_size, perceptron, print_table, size, steps_taken, system_size, train
from torch import Tensor, nn

from satipatthana.configs import (
    AugmenterConfig,
    AugmenterType,
    CurriculumConfig,
    DecoderConfig,
    FallbackConfig,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.fallbacks import Answers, Refusal
from satipatthana.system import SatipatthanaSystem
from satipatthana.void import FilteredNoiseVoid

SEED = 0
UPPER, FORE = 0.55, 0.50
"""Lengths of the links, metres."""


def targets(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Points that the arm can reach, metres, and which lie where it has worked."""
    chance = torch.Generator().manual_seed(seed)
    distance = 0.1 + 0.9 * torch.rand(count, generator=chance).sqrt()
    bearing = 2 * math.pi * torch.rand(count, generator=chance) - math.pi
    points = distance[:, None] * torch.stack([bearing.cos(), bearing.sin()], dim=1)
    return points, (distance > 0.4) & (distance < 0.9) & (bearing.abs() < 2.0)


def angles(points: Tensor) -> Tensor:
    """Shoulder and elbow, radians, elbow to the right; exact."""
    cosine = (points.square().sum(dim=1) - UPPER**2 - FORE**2) / (2 * UPPER * FORE)
    elbow = cosine.clamp(-1.0, 1.0).acos()
    bearing = torch.atan2(points[:, 1], points[:, 0])
    shoulder = bearing - torch.atan2(FORE * elbow.sin(), UPPER + FORE * elbow.cos())
    return torch.stack([shoulder, elbow], dim=1)


def misses(joints: Tensor, points: Tensor) -> Tensor:
    """How far from the point the hand ends, centimetres."""
    shoulder, both = joints[:, 0], joints.sum(dim=1)
    x = UPPER * shoulder.cos() + FORE * both.cos()
    y = UPPER * shoulder.sin() + FORE * both.sin()
    return 100.0 * (torch.stack([x, y], dim=1) - points).norm(dim=1)


CONFIG = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=2, latent_dim=32, hidden_dims=(128,)),
        augmenter=AugmenterConfig(type=AugmenterType.GAUSSIAN, max_noise_std=0.05),
        vicara=create_vicara_config("weighted", latent_dim=32, num_refiners=3),
    ),
    decoder=DecoderConfig(kind="conditional", hidden_dims=(128,)),
    task="regression",
    use_label_guidance=True,
    recon_hidden_dims=(64,),
)
CURRICULUM = CurriculumConfig(
    adapter=StageConfig(max_epochs=10, learning_rate=3e-3),
    samatha=StageConfig(max_epochs=25, patience=10, learning_rate=3e-3),
    vipassana=StageConfig(max_epochs=8, patience=5, learning_rate=3e-3),
    decoder=StageConfig(max_epochs=40, patience=10, learning_rate=3e-3),
    guidance_weight=0.5,
    seed=SEED,
)


def main() -> None:
    points, worked = targets(6000, seed=SEED + 100)
    points, unit = points[worked], points[worked].std()

    torch.manual_seed(SEED)
    system = SatipatthanaSystem(CONFIG, output_dim=2)
    x, y = points / unit, angles(points)
    void = FilteredNoiseVoid(x, 2000, generator=torch.Generator().manual_seed(SEED))
    history = fit(system, x, y, void=void, config=CURRICULUM)

    plain = of_size(system_size(system), lambda width: perceptron(2, width, 2))
    plain = train(plain, x, y, nn.functional.mse_loss, steps_taken(history, len(x)))

    points, worked = targets(2000, seed=SEED + 200)
    x = points / unit
    with torch.no_grad():
        guesses, plain_guesses = system(x).output, plain(x)
    trust = system.score(x).trust_score[:, 0]
    threshold = float(trust[worked].quantile(0.02))

    # Whatever is not trusted goes to the exact solution, which is slow on a robot.
    search = Refusal(lambda refused: list(angles(points[refused])))
    answers = system.answer(x, search, FallbackConfig(threshold=threshold))
    reached = [guesses, torch.stack(answers.values), plain_guesses]
    missed = [misses(joints, points) for joints in reached]

    rows: list[tuple[object, ...]] = [("parameters", *[system_size(system)] * 2, size(plain))]
    for place, part in (("where it worked", worked), ("elsewhere", ~worked)):
        rows.append((f"mean, {place}", *(float(each[part].mean()) for each in missed)))
        rows.append((f"1 of 100 is worse, {place}", *(worst(each[part]) for each in missed)))
    rows.append(("AUROC, elsewhere", *[auroc(trust[worked], trust[~worked])] * 2, "-"))
    rows.append(
        ("share left to the fall-back, where it worked", "-", refused(answers, worked), "-")
    )
    rows.append(("share left to the fall-back, elsewhere", "-", refused(answers, ~worked), "-"))
    print_table(
        ("an arm's misses, centimetres", "Satipatthana", "with its fall-back", "plain MLP"), rows
    )


def worst(missed: Tensor) -> float:
    """What 99 of 100 stay below."""
    return float(missed.quantile(0.99))


def refused(answers: Answers, part: Tensor) -> float:
    """Share of the answers that are the fall-back's."""
    return 1.0 - float(answers.trusted[part].float().mean())


if __name__ == "__main__":
    main()
