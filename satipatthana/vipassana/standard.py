"""Vipassana (insight): judges how sound the way to a state was, in three scores."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from satipatthana.arguments import require_batch, require_length
from satipatthana.configs.vipassana import METRICS, StandardVipassanaConfig
from satipatthana.outputs import SantanaLog, VipassanaOutput
from satipatthana.shapes import Float, Int
from satipatthana.vipassana.metrics import grounding_metrics
from satipatthana.vipassana.monotone import MetricProjection, TrustHead
from satipatthana.vipassana.scores import confidence, conformity, context_vector, trust
from satipatthana.vipassana.trajectory import TrajectoryEncoder


class BaseVipassana(nn.Module, ABC):
    """A judge of trajectories."""

    @abstractmethod
    def forward(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        probes: Float[Tensor, "K D"] | None = None,
        recon_error: Float[Tensor, "B 1"] | None = None,
        step_errors: Float[Tensor, "T B"] | None = None,
        extra: Float[Tensor, "B E"] | None = None,
        temperature: float | Float[Tensor, "B 1"] = 1.0,
    ) -> VipassanaOutput:
        """The judgement of each sample."""

    @abstractmethod
    def metrics(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        probes: Float[Tensor, "K D"] | None = None,
        recon_error: Float[Tensor, "B 1"] | None = None,
        extra: Float[Tensor, "B E"] | None = None,
        temperature: float | Float[Tensor, "B 1"] = 1.0,
    ) -> Float[Tensor, "B M"]:
        """The numbers that trust is judged by."""

    @abstractmethod
    def fit_metrics(self, clean: Float[Tensor, "N M"], void: Float[Tensor, "N2 M"]) -> None:
        """Learns, before stage 2, how `metrics` look for known samples and for voids."""

    @abstractmethod
    def fit_steps(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        step_errors: Float[Tensor, "T B"] | None = None,
    ) -> None:
        """Learns, before stage 2, how the trajectories of known samples look."""


class StandardVipassana(BaseVipassana):
    """A GRU over the trajectory beside eight grounding metrics, and three scores of the two.

    Trust reads the metrics only and teaches no weight of the GRU; conformity reads the GRU only and
    teaches no weight of the metrics; confidence reads both and teaches the GRU alone. What metrics
    weigh is learned from trust, which has to stand without the GRU: confidence is also asked what
    the GRU alone can tell, and would bend the metrics' weights towards it.
    """

    def __init__(self, config: StandardVipassanaConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.latent_dim = latent_dim
        self.num_metrics = len(config.metrics) + len(config.extra_features)
        self.columns = [METRICS.index(name) for name in config.metrics]
        self.encoder = (
            TrajectoryEncoder(latent_dim, config.dynamic_dim, config.step_features)
            if config.dynamic
            else None
        )
        self.projection = MetricProjection(self.num_metrics, config.static_dim, config.monotone)
        self.trust_head = TrustHead(config.static_dim, config.monotone)
        # Two layers: whether S* is the log's own last state shows in sizes, not in signs, of the
        # GRU's units, which one layer cannot read.
        self.conformity_head = two_layers(config.dynamic_dim)
        self.confidence_head = two_layers(config.context_dim)

    def forward(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        probes: Float[Tensor, "K D"] | None = None,
        recon_error: Float[Tensor, "B 1"] | None = None,
        step_errors: Float[Tensor, "T B"] | None = None,
        extra: Float[Tensor, "B E"] | None = None,
        temperature: float | Float[Tensor, "B 1"] = 1.0,
    ) -> VipassanaOutput:
        """The judgement of each sample.

        `recon_error` and `step_errors` are the errors, not below 0, of reconstructing the input
        from S* and from each recorded state; `extra` the features named in the configuration;
        `temperature` Vitakka's. Without probes or errors what they would tell is 0.
        ValueError, naming the argument, for wrong shapes, empty batches, and NaN.
        """
        metrics = self.metrics(s_star, santana, probes, recon_error, extra, temperature)
        h_static = self.projection(metrics)
        h_dynamic = self._h_dynamic(s_star, santana, step_errors)
        return VipassanaOutput(
            v_ctx=context_vector(h_dynamic, h_static),
            trust_score=trust(h_static, self.trust_head),
            conformity_score=conformity(h_dynamic, self.conformity_head),
            confidence_score=confidence(h_static.detach(), h_dynamic, self.confidence_head),
        )

    def metrics(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        probes: Float[Tensor, "K D"] | None = None,
        recon_error: Float[Tensor, "B 1"] | None = None,
        extra: Float[Tensor, "B E"] | None = None,
        temperature: float | Float[Tensor, "B 1"] = 1.0,
    ) -> Float[Tensor, "B M"]:
        """The metrics of the configuration, then its extra features, not yet standardised."""
        trajectory, steps = self._trajectory(s_star, santana)
        if probes is not None:
            require_batch("probes", probes, (self.latent_dim,))
        if recon_error is not None:
            require_batch("recon_error", recon_error, (1,))
            require_length("recon_error", recon_error, len(s_star))
        found = grounding_metrics(
            s_star,
            trajectory,
            steps,
            santana.max_steps,
            probes,
            None if recon_error is None else recon_error[:, 0],
            temperature,
        )[:, self.columns]
        return torch.cat([found, self._extra(extra, s_star)], dim=1)

    def fit_metrics(self, clean: Float[Tensor, "N M"], void: Float[Tensor, "N2 M"]) -> None:
        """Learns the metrics' scales from known samples and which way is bad from voids.

        To be called before stage 2 with what `metrics` returns, as `fit_steps` is.
        """
        self.projection.fit(clean, void)

    def fit_steps(
        self,
        s_star: Float[Tensor, "B D"],
        santana: SantanaLog,
        step_errors: Float[Tensor, "T B"] | None = None,
    ) -> None:
        """Learns the scales of what the GRU reads from the trajectories of known samples."""
        trajectory, steps = self._trajectory(s_star, santana)
        if self.encoder is not None:
            self.encoder.fit(s_star, trajectory, steps, self._step_errors(step_errors, trajectory))

    def _h_dynamic(
        self, s_star: Tensor, santana: SantanaLog, step_errors: Tensor | None
    ) -> Float[Tensor, "B H"]:
        if self.encoder is None:
            return s_star.new_zeros(len(s_star), self.config.dynamic_dim)
        trajectory, steps = self._trajectory(s_star, santana)
        h_dynamic: Tensor = self.encoder(
            s_star, trajectory, steps, self._step_errors(step_errors, trajectory)
        )
        return h_dynamic

    def _trajectory(
        self, s_star: Tensor, santana: SantanaLog
    ) -> tuple[Float[Tensor, "T B D"], Int[Tensor, " B"]]:
        """The recorded states and each sample's moves, once they are what they should be."""
        require_batch("s_star", s_star, (self.latent_dim,))
        trajectory = santana.to_tensor()
        if trajectory.shape[1:] != s_star.shape:
            raise ValueError(
                f"santana: expected states of the shape {tuple(s_star.shape)},"
                f" got {tuple(trajectory.shape[1:])}"
            )
        steps = santana.convergence_steps.to(trajectory.device)
        require_length("santana.convergence_steps", steps, len(s_star))
        lowest, highest = int(steps.min()), int(steps.max())
        if lowest < 0 or highest >= len(trajectory):
            raise ValueError(
                f"santana.convergence_steps: expected 0 to {len(trajectory) - 1},"
                f" got {lowest if lowest < 0 else highest}"
            )
        return trajectory, steps

    def _step_errors(self, step_errors: Tensor | None, trajectory: Tensor) -> Tensor | None:
        if step_errors is not None and step_errors.shape != trajectory.shape[:2]:
            raise ValueError(
                f"step_errors: expected the shape {tuple(trajectory.shape[:2])},"
                f" got {tuple(step_errors.shape)}"
            )
        return step_errors

    def _extra(self, extra: Tensor | None, s_star: Tensor) -> Float[Tensor, "B E"]:
        names = self.config.extra_features
        if extra is None and names:
            raise ValueError(f"extra: expected the features {', '.join(names)}, got none")
        if extra is None:
            return s_star.new_zeros(len(s_star), 0)
        require_batch("extra", extra, (len(names),))
        require_length("extra", extra, len(s_star))
        return extra


def two_layers(width: int) -> nn.Sequential:
    """A score's head: the logit (B 1) of a vector (B width)."""
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))
