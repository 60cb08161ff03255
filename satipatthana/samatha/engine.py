"""Samatha (calming): the engine that lets any input settle into a state."""

import contextlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor, nn

from satipatthana.configs.samatha import SamathaConfig
from satipatthana.outputs import SantanaLog
from satipatthana.samatha.adapters import build_adapter
from satipatthana.samatha.augmenters import build_augmenter, undisturbed
from satipatthana.samatha.drunkenness import drunk
from satipatthana.samatha.sati import build_sati
from satipatthana.samatha.vicara import build_vicara
from satipatthana.samatha.vitakka import BaseVitakka, Vitakka
from satipatthana.shapes import Float, Shaped


class SamathaEngine(nn.Module):
    """Augmenter, adapter, Vitakka, and Vicara until Sati says stop.

    Knows neither task nor labels. Each part is an attribute and may be replaced by one of the same
    base class.
    """

    def __init__(self, config: SamathaConfig) -> None:
        super().__init__()
        self.config = config
        self.adapter = build_adapter(config.adapter)
        self.augmenter = build_augmenter(config.augmenter)
        self.vitakka: BaseVitakka = Vitakka(config.vitakka, config.adapter.latent_dim)
        self.vicara = build_vicara(config.vicara)
        self.sati = build_sati(config.sati)

    def forward(
        self,
        x: Shaped[Tensor, "B ..."],
        noise_level: float = 0.0,
        run_augmenter: bool = True,
        drunk_mode: bool = False,
        generator: Generator | None = None,
    ) -> tuple[Float[Tensor, "B D"], SantanaLog, Float[Tensor, " B"]]:
        """S*, the log of the states on the way to it, and how strongly each input was disturbed.

        `noise_level` (0 to 1) is the augmenter's; `drunk_mode` disturbs the engine itself, by the
        settings in `config.drunk`; `generator` draws both. ValueError, naming x, where a sample has
        the wrong shape or holds NaN, and for an empty batch.
        """
        severity = undisturbed(x)
        if run_augmenter:
            x, severity = self.augmenter(x, noise_level, generator)
        state = contextlib.nullcontext()
        with drunk(self, self.config.drunk, len(x), generator) if drunk_mode else state:
            s_0, metadata = self.vitakka(self.adapter(x))
            s_star, santana = self.settle(s_0, metadata)
        return s_star, santana, severity

    def settle(
        self, s_0: Float[Tensor, "B D"], metadata: Mapping[str, Any]
    ) -> tuple[Float[Tensor, "B D"], SantanaLog]:
        """S* and the log. A sample that Sati has stopped repeats its state from then on, so that
        what a sample settles into does not depend on its batch-mates."""
        santana = SantanaLog(metadata)
        santana.max_steps = self.config.max_steps
        santana.add(s_0)
        context = self.vicara.prepared(s_0, metadata)
        s_t, moving = s_0, torch.ones(len(s_0), dtype=torch.bool, device=s_0.device)
        for _ in range(self.config.max_steps):
            s_t = torch.where(moving.unsqueeze(1), self.vicara(s_t, context), s_t)
            santana.add(s_t)
            santana.convergence_steps += moving
            should_stop, info = self.sati(s_t, santana)
            if should_stop:
                break
            moving = moving & ~info["stopped"]
        return s_t, santana
