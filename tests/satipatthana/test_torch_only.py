"""The framework where nothing but torch is installed."""

import subprocess
import sys
import textwrap
from pathlib import Path

PROGRAM = """
import importlib.metadata
import pkgutil
import re
import sys

started_with = set(sys.modules)

def needed(name, seen):
    # torch and what it asks for, and what that asks for.
    name = re.split(r"[^A-Za-z0-9._-]", name)[0].lower().replace("_", "-")
    if name in seen:
        return seen
    try:
        requirements = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return seen
    seen.add(name)
    for requirement in requirements:
        if "extra ==" not in requirement:
            needed(requirement, seen)
    return seen

distributions = needed("torch", set())
allowed = {
    module
    for module, owners in importlib.metadata.packages_distributions().items()
    if any(owner.lower().replace("_", "-") in distributions for owner in owners)
}
installed = set(importlib.metadata.packages_distributions())
blocked = installed - allowed - {"satipatthana"}
assert {"numpy", "scipy", "jaxtyping", "rich", "matplotlib", "beartype"} & installed <= blocked

class Filtered:
    # A finder that does not see what is blocked, as if it were not installed.
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        hidden = name.split(".")[0] in blocked
        return None if hidden else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Filtered(finder) for finder in sys.meta_path]
import warnings
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")

import torch
import satipatthana

for module in pkgutil.walk_packages(satipatthana.__path__, "satipatthana."):
    importlib.import_module(module.name)

from satipatthana.checkpoint import load, save
from satipatthana.configs import (
    CurriculumConfig,
    SamathaConfig,
    StageConfig,
    SystemConfig,
    create_adapter_config,
    create_vicara_config,
)
from satipatthana.curriculum import fit
from satipatthana.progress import BarProgress
from satipatthana.system import SatipatthanaSystem

config = SystemConfig(
    samatha=SamathaConfig(
        adapter=create_adapter_config("mlp", input_dim=6, latent_dim=4),
        vicara=create_vicara_config("standard", latent_dim=4),
    ),
    use_label_guidance=True,
)
stage = StageConfig(max_epochs=1)
system = SatipatthanaSystem(config, output_dim=2)
history = fit(
    system,
    torch.randn(60, 6),
    torch.arange(60) % 2,
    config=CurriculumConfig(adapter=stage, samatha=stage, vipassana=stage, decoder=stage),
    progress=BarProgress(),
)
history.to_dict()
save(system, sys.argv[1])
assert torch.equal(
    load(sys.argv[1]).score(torch.ones(2, 6)).trust_score,
    system.score(torch.ones(2, 6)).trust_score,
)
found = sorted(blocked & {name.split(".")[0] for name in set(sys.modules) - started_with})
assert not found, found
print("trained", [stage.ended for stage in history.stages])
"""


def test_everything_imports_and_trains_with_torch_alone(tmp_path: Path) -> None:
    program = textwrap.dedent(PROGRAM)
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "system.pt")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == f"trained {['max_epochs'] * 4}"
