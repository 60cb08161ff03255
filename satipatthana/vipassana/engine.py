"""The second engine: judges the first one's way to its state."""

from torch import Tensor, nn

from satipatthana.configs.vipassana import VipassanaEngineConfig
from satipatthana.outputs import SantanaLog, VipassanaOutput
from satipatthana.shapes import Float
from satipatthana.vipassana.standard import BaseVipassana, StandardVipassana


class VipassanaEngine(nn.Module):
    """Owner of the judge; another one can be put in its place, under `vipassana`."""

    vipassana: BaseVipassana

    def __init__(self, config: VipassanaEngineConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.vipassana = StandardVipassana(config.vipassana, latent_dim)

    @property
    def context_dim(self) -> int:
        """C, width of the context vector."""
        return self.config.vipassana.context_dim

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
        """The judgement of each sample; see `StandardVipassana.forward`."""
        judgement: VipassanaOutput = self.vipassana(
            s_star, santana, probes, recon_error, step_errors, extra, temperature
        )
        return judgement
