"""Engine 1, Samatha (calming): input settles into a state, and the way there is logged."""

from satipatthana.samatha.adapters import (
    BaseAdapter,
    CnnAdapter,
    LstmAdapter,
    MlpAdapter,
    TransformerAdapter,
    build_adapter,
)
from satipatthana.samatha.augmenters import (
    BaseAugmenter,
    GaussianNoiseAugmenter,
    IdentityAugmenter,
    build_augmenter,
)
from satipatthana.samatha.convergence import effective_lipschitz, has_settled, state_update
from satipatthana.samatha.drunkenness import Disturbable, drunk
from satipatthana.samatha.engine import SamathaEngine
from satipatthana.samatha.refiner import Refiner
from satipatthana.samatha.resonance import initial_state, resonance, squared_distances
from satipatthana.samatha.sati import BaseSati, FixedStepSati, ThresholdSati, build_sati
from satipatthana.samatha.vicara import (
    BaseVicara,
    ProbeSpecificVicara,
    StandardVicara,
    WeightedVicara,
    build_vicara,
)
from satipatthana.samatha.vitakka import BaseVitakka, Vitakka

__all__ = [
    "BaseAdapter",
    "BaseAugmenter",
    "BaseSati",
    "BaseVicara",
    "BaseVitakka",
    "CnnAdapter",
    "Disturbable",
    "FixedStepSati",
    "GaussianNoiseAugmenter",
    "IdentityAugmenter",
    "LstmAdapter",
    "MlpAdapter",
    "ProbeSpecificVicara",
    "Refiner",
    "SamathaEngine",
    "StandardVicara",
    "ThresholdSati",
    "TransformerAdapter",
    "Vitakka",
    "WeightedVicara",
    "build_adapter",
    "build_augmenter",
    "build_sati",
    "build_vicara",
    "drunk",
    "effective_lipschitz",
    "has_settled",
    "initial_state",
    "resonance",
    "squared_distances",
    "state_update",
]
