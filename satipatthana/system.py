"""The three engines together: an answer, and how far it may be trusted."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from satipatthana.arguments import require_at_least, require_batch
from satipatthana.configs.system import DecoderConfig, FallbackConfig, SystemConfig
from satipatthana.decoders import build_decoder
from satipatthana.fallbacks import Answers, Fallback
from satipatthana.heads import AuxHead, ReconstructionHead
from satipatthana.outputs import SantanaLog, SystemOutput, VipassanaOutput
from satipatthana.reconstruction import reconstruction_errors
from satipatthana.samatha.augmenters import undisturbed
from satipatthana.samatha.engine import SamathaEngine
from satipatthana.shapes import Float, Shaped
from satipatthana.vipassana.engine import VipassanaEngine

SCORED_AT_ONCE = 512
"""Samples that `score` judges together, which bounds its memory and changes no score."""


class SatipatthanaSystem(nn.Module):
    """Samatha lets an input settle, Vipassana judges how it settled, the decoder answers."""

    aux_head: AuxHead | None

    def __init__(self, config: SystemConfig, output_dim: int | None = None) -> None:
        """`output_dim`: width of the answer, where the configuration doesn't tell.

        ValueError where neither does and the task needs one, or where they disagree.
        """
        super().__init__()
        self.config = config
        self.output_dim = answer_width(config, output_dim)
        latent_dim = config.samatha.adapter.latent_dim
        target_dim = config.samatha.adapter.target_dim
        self.samatha = SamathaEngine(config.samatha)
        self.vipassana = VipassanaEngine(config.vipassana, latent_dim)
        self.decoder = build_decoder(
            # Where nothing is asked there is nothing to answer but the state.
            DecoderConfig(kind="identity") if config.task == "none" else config.decoder,
            config.task,
            latent_dim,
            config.vipassana.vipassana.context_dim,
            self.output_dim,
            target_dim,
        )
        self.adapter_recon_head = ReconstructionHead(
            latent_dim, target_dim, config.recon_hidden_dims
        )
        self.samatha_recon_head = ReconstructionHead(
            latent_dim, target_dim, config.recon_hidden_dims
        )
        self.aux_head = (
            AuxHead(latent_dim, self.output_dim, config.aux_hidden_dims)
            if config.use_label_guidance
            else None
        )

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.samatha.vitakka.probes.device

    def forward(
        self,
        x: Shaped[Tensor, "B ..."],
        run_augmenter: bool = False,
        noise_level: float = 0.0,
        drunk_mode: bool = False,
        extra: Float[Tensor, "B E"] | None = None,
        generator: torch.Generator | None = None,
    ) -> SystemOutput:
        """Everything that the system says of a batch; section 7.2 of the specification.

        In training mode the training heads answer too. With the augmenter the evidence is about the
        disturbed input, which is all that a system ever sees of it. ValueError for a wrong shape,
        an empty batch, or numbers that are not finite.
        """
        require_batch("x", x, self.config.samatha.adapter.input_shape)
        severity = undisturbed(x)
        if run_augmenter:
            x, severity = self.samatha.augmenter(x, noise_level, generator)
        s_star, santana, _ = self.samatha(
            x, run_augmenter=False, drunk_mode=drunk_mode, generator=generator
        )
        judgement = self.judge(s_star, santana, x, extra)
        output = SystemOutput(
            output=self.decoder(s_star, judgement.v_ctx),
            s_star=s_star,
            v_ctx=judgement.v_ctx,
            trust_score=judgement.trust_score,
            conformity_score=judgement.conformity_score,
            confidence_score=judgement.confidence_score,
            santana=santana,
            severity=severity,
        )
        if not self.training:
            return output
        return output._replace(
            aux_output=None if self.aux_head is None else self.aux_head(s_star),
            recon_adapter=self.adapter_recon_head(santana.metadata["z"]),
            recon_samatha=self.samatha_recon_head(s_star),
        )

    def judge(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        x: Shaped[Tensor, "B ..."],
        extra: Float[Tensor, "B E"] | None = None,
    ) -> VipassanaOutput:
        """Vipassana's judgement, given the errors of reconstructing `x` from the states.

        `extra`: the features that the configuration names beyond the eight metrics.
        """
        recon_error, step_errors = self.reconstruction_errors(s_star, santana, x)
        vitakka = self.samatha.vitakka
        judgement: VipassanaOutput = self.vipassana(
            s_star, santana, vitakka.probes, recon_error, step_errors, extra, vitakka.temperature
        )
        return judgement

    def metrics(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        x: Shaped[Tensor, "B ..."],
        extra: Float[Tensor, "B E"] | None = None,
    ) -> Float[Tensor, "B M"]:
        """The static metrics and the extra features, before Vipassana standardises them."""
        recon_error, _ = self.reconstruction_errors(s_star, santana, x)
        vitakka = self.samatha.vitakka
        return self.vipassana.vipassana.metrics(
            s_star, santana, vitakka.probes, recon_error, extra, vitakka.temperature
        )

    @torch.no_grad()
    def reconstruction_errors(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        x: Shaped[Tensor, "B ..."],
    ) -> tuple[Float[Tensor, "B 1"], Float[Tensor, "T B"]]:
        """Mean squared errors of reconstructing each sample from S*, and from each of its states.

        The latter are 0 where the configuration doesn't read them, and after a sample's last real
        move. Evidence, and no way for gradients.
        """
        target = self.samatha.adapter.target(x)
        steps = santana.convergence_steps
        trajectory = santana.to_tensor()
        vipassana = self.config.vipassana.vipassana
        if not (vipassana.dynamic and "reconstruction" in vipassana.step_features):
            errors = self.samatha_recon_head(s_star) - target
            return errors.square().mean(dim=1, keepdim=True), torch.zeros_like(trajectory[..., 0])
        return reconstruction_errors(self.samatha_recon_head, s_star, trajectory, steps, target)

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Inside, the system is in scoring mode and builds no graph; then all is as before."""
        modes = {module: module.training for module in self.modules()}
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            for module, mode in modes.items():
                module.training = mode

    def score(
        self, x: Shaped[Tensor, "B ..."], extra: Float[Tensor, "B E"] | None = None
    ) -> VipassanaOutput:
        """Trust, conformity and confidence of each sample, whatever mode the system is in.

        A sample's scores don't depend on the others. ValueError as for `forward`.
        """
        require_batch("x", x, self.config.samatha.adapter.input_shape)
        judgements = []
        with self.scoring():
            for start in range(0, len(x), SCORED_AT_ONCE):
                rows = slice(start, start + SCORED_AT_ONCE)
                s_star, santana, _ = self.samatha(x[rows], run_augmenter=False)
                extra_rows = None if extra is None else extra[rows]
                judgements.append(self.judge(s_star, santana, x[rows], extra_rows))
        return VipassanaOutput(*map(torch.cat, zip(*judgements, strict=True)))

    def answer(
        self,
        x: Shaped[Tensor, "B ..."],
        fallback: Fallback,
        config: FallbackConfig | None = None,
        extra: Float[Tensor, "B E"] | None = None,
    ) -> Answers:
        """The answers, with `fallback`'s in place of those that are not trusted enough."""
        config = config or FallbackConfig()
        with self.scoring():
            output = self(x, extra=extra)
        scores = {
            "trust": output.trust_score,
            "conformity": output.conformity_score,
            "confidence": output.confidence_score,
        }
        return fallback(output.output, scores[config.score], config)


def answer_width(config: SystemConfig, output_dim: int | None) -> int:
    """Y. ValueError where nothing tells it, or where two places tell different things."""
    if config.task == "reconstruction":
        known: int | None = config.samatha.adapter.target_dim
    elif config.task == "none":
        known = config.samatha.adapter.latent_dim
    else:
        known = config.output_dim
    if known is None and output_dim is None:
        raise ValueError(
            f"output_dim: expected the width of the answer for the task {config.task!r}, got None"
        )
    if known is not None and output_dim is not None and known != output_dim:
        raise ValueError(f"output_dim: expected {known}, got {output_dim}")
    width = output_dim if known is None else known
    assert width is not None
    require_at_least("output_dim", width, 1)
    return width
