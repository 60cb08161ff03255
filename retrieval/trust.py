"""The trust framework Satipatthana as one of the gate's detectors.

The only file of retrieval that knows it, and only while a gate is fitted: a search scores with
NumPy alone, by `rejection.satipatthana_scores`. Gates are fitted by `rejection.library_gate`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from retrieval.rejection.detectors import Detector
from retrieval.rejection.words import Arrays


def made_detector(name: str, columns: tuple[str, ...]) -> Detector:
    """A detector by its name, unfitted. ValueError, with all names, where there is none."""
    from retrieval.rejection.registry import unfitted

    return unfitted(name, columns, framework_detectors())


def framework_detectors() -> Mapping[str, Callable[[], Detector]]:
    """The detectors that are built on Satipatthana."""
    from retrieval.rejection.satipatthana_scores import SatipatthanaDetector

    return {"satipatthana": lambda: SatipatthanaDetector(fit_framework)}


def fit_framework(
    x: Float32[np.ndarray, "N F"],
    void: Float32[np.ndarray, "V F"],
    extra: Float32[np.ndarray, "N E"],
    void_extra: Float32[np.ndarray, "V E"],
    names: Sequence[str],
    seed: int,
) -> Arrays:
    """Trains a system (d = 64, K = 16, T = 10), the evidence as its block of extra features.

    Returned is what `rejection.satipatthana_scores` computes the three scores of.
    """
    import torch

    from satipatthana.curriculum import fit
    from satipatthana.system import SatipatthanaSystem

    # The extra features travel behind the vector: the curriculum picks samples, and asks for the
    # features of whatever it picked.
    every = np.concatenate([x, void])
    told = torch.from_numpy(np.concatenate([extra, void_extra]))
    places = {row.tobytes(): place for place, row in enumerate(every)}

    def extra_of(batch: torch.Tensor) -> torch.Tensor:
        known_rows = [places.get(row.tobytes(), -1) for row in batch.numpy()]
        if min(known_rows) >= 0:
            return told[known_rows]
        return told[nearest_rows(batch, torch.from_numpy(every))]

    system_config, curriculum = _framework_configs(x.shape[1], names, seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        system = SatipatthanaSystem(system_config)
    known, unknown = torch.from_numpy(x), torch.from_numpy(void)
    fit(system, known, void=unknown, extra=extra_of, config=curriculum)
    return framework_arrays(system)


def _framework_configs(n_features: int, names: Sequence[str], seed: int) -> tuple[Any, Any]:
    """What the system is made of, and how it is trained."""
    from satipatthana.configs import (
        AugmenterConfig,
        CurriculumConfig,
        SamathaConfig,
        StageConfig,
        StandardVipassanaConfig,
        SystemConfig,
        VipassanaEngineConfig,
        create_adapter_config,
        create_vicara_config,
    )

    width = 64
    adapter = create_adapter_config(
        "mlp", input_dim=n_features, latent_dim=width, hidden_dims=(128,)
    )
    vipassana = StandardVipassanaConfig(extra_features=tuple(names))
    system = SystemConfig(
        samatha=SamathaConfig(
            adapter=adapter,
            augmenter=AugmenterConfig(max_noise_std=0.3),
            vicara=create_vicara_config("standard", latent_dim=width),
        ),
        vipassana=VipassanaEngineConfig(vipassana=vipassana),
        task="none",
        recon_hidden_dims=(128,),
    )
    curriculum = CurriculumConfig(
        adapter=StageConfig(max_epochs=5),
        samatha=StageConfig(max_epochs=5),
        vipassana=StageConfig(max_epochs=6, learning_rate=3e-3),
        decoder=StageConfig(max_epochs=0),
        recon_weight=0.3,
        seed=seed,
    )
    return system, curriculum


def nearest_rows(batch: Any, every: Any) -> Any:
    """The row that each disturbed sample was made of: the nearest one."""
    import torch

    return torch.cdist(batch, every).argmin(dim=1)


def framework_arrays(system: Any) -> Arrays:
    """A trained system's numbers, by the names that `rejection.satipatthana_scores` reads."""
    samatha, vipassana = system.samatha, system.vipassana.vipassana
    found = _refining_numbers(samatha) | _judging_numbers(vipassana)
    perceptrons = {
        "adapter": samatha.adapter.layers,
        "recon": system.samatha_recon_head.layers,
        "conformity": vipassana.conformity_head,
        "confidence": vipassana.confidence_head,
    }
    for name, layers in perceptrons.items():
        linear = [layer for layer in layers if hasattr(layer, "weight")]
        for number, layer in enumerate(linear):
            found[f"{name}.weight{number}"] = layer.weight
            found[f"{name}.bias{number}"] = layer.bias
    return {
        name: np.asarray(value.detach().numpy() if hasattr(value, "detach") else value).astype(
            np.float32
        )
        for name, value in found.items()
    }


def _refining_numbers(samatha: Any) -> dict[str, Any]:
    from satipatthana.samatha.refiner import bounded

    refiner = samatha.vicara.refiners[0]
    return {
        "probes": samatha.vitakka.probes,
        "query": samatha.vitakka.query.weight,
        "key": samatha.vitakka.key.weight,
        "temperature": samatha.vitakka.temperature,
        "refiner.state": bounded(refiner.state_weight),
        "refiner.context": bounded(refiner.context_weight),
        "refiner.output": bounded(refiner.output_weight),
        "refiner.bias": refiner.bias,
        "lipschitz": refiner.config.lipschitz,
        "beta": samatha.vicara.config.beta,
        "threshold": samatha.sati.threshold,
        "max_steps": samatha.config.max_steps,
    }


def _judging_numbers(vipassana: Any) -> dict[str, Any]:
    projection, encoder = vipassana.projection, vipassana.encoder
    return {
        "heard": projection.heard,
        "sign": projection.sign,
        "mean": projection.mean,
        "scale": projection.scale,
        "projection.weight": projection.linear.weight,
        "projection.bias": projection.linear.bias,
        "trust.weight": vipassana.trust_head.linear.weight,
        "trust.bias": vipassana.trust_head.linear.bias,
        "step_mean": encoder.mean,
        "step_scale": encoder.scale,
        "gru.input": encoder.gru.weight_ih_l0,
        "gru.hidden": encoder.gru.weight_hh_l0,
        "gru.input_bias": encoder.gru.bias_ih_l0,
        "gru.hidden_bias": encoder.gru.bias_hh_l0,
    }
