"""SATIPATTHANA 4.6: the eight grounding metrics, plain numbers about how a state was reached.

Each reads a trajectory (states S_0 ... S_T, steps first) of which only the first `steps` moves of a
sample are real: what stands behind them changes nothing. Distances to the probes are those of the
resonance (4.3a), so that winner, distance and entropy agree.
"""

import torch
from torch import Tensor

from satipatthana.samatha.resonance import resonance, squared_distances
from satipatthana.shapes import Float, Int


def velocity(trajectory: Float[Tensor, "T B D"], steps: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    r"""How far the last move went.

    SATIPATTHANA 4.6a:  v = log(1 + || S_n - S_{n-1} ||)

        paper   here         shape
        S_t     trajectory   T B D
        n       steps        B        moves of each sample, 0 to T - 1

    Departure: n is the sample's own last move, not the batch's; no move gives 0.
    Reference loop: tests/references/satipatthana_vipassana.py
    """
    last = state_at(trajectory, steps)
    previous = state_at(trajectory, (steps - 1).clamp_min(0))
    return lengths(last - previous).log1p()


def avg_energy(trajectory: Float[Tensor, "T B D"], steps: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
    r"""How far the state moved in a mean step, squared.

    SATIPATTHANA 4.6b:  e = log(1 + (1/n) sum_{t=1..n} || S_t - S_{t-1} ||^2)

        paper   here         shape
        S_t     trajectory   T B D
        n       steps        B        moves of each sample, 0 to T - 1

    Departure: no move gives 0.
    Reference loop: tests/references/satipatthana_vipassana.py
    """
    energies = trajectory.diff(dim=0).square().sum(dim=-1)
    step_index = torch.arange(len(energies), device=energies.device)[:, None]
    real = torch.where(step_index < steps, energies, torch.zeros_like(energies))
    return (real.sum(dim=0) / steps.clamp_min(1)).log1p()


def convergence_steps(steps: Int[Tensor, " B"], max_steps: int) -> Float[Tensor, " B"]:
    r"""How long the state took to settle, as a share of the steps that it could have.

    SATIPATTHANA 4.6c:  t / T_max

        paper   here        shape
        t       steps       B
        T_max   max_steps   >= 0

    Departure: 0 where no step was allowed.
    Reference loop: tests/references/satipatthana_vipassana.py
    """
    return steps.to(torch.get_default_dtype()) / max(max_steps, 1)


def min_dist(s_star: Float[Tensor, "B D"], probes: Float[Tensor, "K D"]) -> Float[Tensor, " B"]:
    r"""How far the settled state is from the nearest concept.

    SATIPATTHANA 4.6d:  d_{S*} = log(1 + min_k || S* - P_k ||)

        paper   here     shape
        S*      s_star   B D
        P       probes   K D

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return nearest_distance(s_star, probes).log1p()


def entropy(
    s_star: Float[Tensor, "B D"],
    probes: Float[Tensor, "K D"],
    temperature: float | Float[Tensor, "B 1"] = 1.0,
) -> Float[Tensor, " B"]:
    r"""How undecided the settled state is between the concepts, in nats.

    SATIPATTHANA 4.6e:  H = - sum_k p_k log p_k,   p = resonance of S* with the probes (4.3b)

        paper   here          shape
        S*      s_star        B D
        P       probes        K D
        tau     temperature   > 0, Vitakka's

    Departure: none; the table does not say where: at S*, since s0_min_dist tells of the start.
    Reference loop: tests/references/satipatthana_vipassana.py
    """
    surprise: Tensor = torch.special.entr(resonance(s_star, probes, temperature))
    return surprise.sum(dim=-1)


def s0_min_dist(s_0: Float[Tensor, "B D"], probes: Float[Tensor, "K D"]) -> Float[Tensor, " B"]:
    r"""How far the state started from the nearest concept.

    SATIPATTHANA 4.6f:  d_{S0} = log(1 + min_k || S_0 - P_k ||)

        paper   here     shape
        S_0     s_0      B D
        P       probes   K D

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return nearest_distance(s_0, probes).log1p()


def drift_magnitude(s_star: Float[Tensor, "B D"], s_0: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    r"""How far the settled state is from where it started.

    SATIPATTHANA 4.6g:  delta = log(1 + || S* - S_0 ||)

        paper   here     shape
        S*      s_star   B D
        S_0     s_0      B D

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return lengths(s_star - s_0).log1p()


def recon_error(error: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    r"""How badly the settled state tells what came in.

    SATIPATTHANA 4.6h:  r = log(1 + L_recon)

        paper     here    shape
        L_recon   error   B       >= 0, of each sample alone (mean squared error in the system)

    Departure: none.  Reference loop: tests/references/satipatthana_vipassana.py
    """
    return error.log1p()


def grounding_metrics(
    s_star: Float[Tensor, "B D"],
    trajectory: Float[Tensor, "T B D"],
    steps: Int[Tensor, " B"],
    max_steps: int,
    probes: Float[Tensor, "K D"] | None = None,
    error: Float[Tensor, " B"] | None = None,
    temperature: float | Float[Tensor, "B 1"] = 1.0,
) -> Float[Tensor, "B 8"]:
    """The eight metrics of each sample, in the specification's order (`configs.METRICS`).

    Without probes the three that ask for them are 0, without a reconstruction error the eighth.
    """
    nothing = s_star.new_zeros(len(s_star))
    return torch.stack(
        [
            velocity(trajectory, steps),
            avg_energy(trajectory, steps),
            convergence_steps(steps, max_steps).to(s_star.dtype),
            min_dist(s_star, probes) if probes is not None else nothing,
            entropy(s_star, probes, temperature) if probes is not None else nothing,
            s0_min_dist(trajectory[0], probes) if probes is not None else nothing,
            drift_magnitude(s_star, trajectory[0]),
            recon_error(error) if error is not None else nothing,
        ],
        dim=1,
    )


def nearest_distance(
    states: Float[Tensor, "B D"], probes: Float[Tensor, "K D"]
) -> Float[Tensor, " B"]:
    """Distance to the nearest probe. Its gradient is finite on a probe, where a root's is not."""
    nearest = squared_distances(states, probes).argmin(dim=1)
    return lengths(states - probes[nearest])


def state_at(trajectory: Float[Tensor, "T B D"], steps: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
    """Each sample's state after its own number of steps."""
    return trajectory[steps, torch.arange(trajectory.shape[1], device=trajectory.device)]


def lengths(vectors: Float[Tensor, "*batch D"]) -> Float[Tensor, "*batch"]:
    """Euclidean length of each vector."""
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=-1)
    return norms
