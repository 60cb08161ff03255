"""A one-page report of a training: losses, trajectories, scores, settings.

Needs matplotlib: `pip install 'spectrum-retrieval[report]'`.
"""

from satipatthana.report.report import write_report

__all__ = ["write_report"]
