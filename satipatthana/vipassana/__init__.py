"""Vipassana (insight), the second engine: how sound was the way to the state?"""

from satipatthana.vipassana.engine import VipassanaEngine
from satipatthana.vipassana.metrics import grounding_metrics
from satipatthana.vipassana.monotone import MetricProjection, TrustHead
from satipatthana.vipassana.scores import score_targets
from satipatthana.vipassana.standard import BaseVipassana, StandardVipassana
from satipatthana.vipassana.trajectory import TrajectoryEncoder

__all__ = [
    "BaseVipassana",
    "MetricProjection",
    "StandardVipassana",
    "TrajectoryEncoder",
    "TrustHead",
    "VipassanaEngine",
    "grounding_metrics",
    "score_targets",
]
