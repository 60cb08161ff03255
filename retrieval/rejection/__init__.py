"""The rejection gate: what a query shows of itself, detectors, calibration, storage."""
