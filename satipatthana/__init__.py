"""Satipatthana: a trust framework in three engines, usable alone on any tensor.

Samatha lets an input settle into a state, Vipassana judges how it got there, a decoder answers
from both. Needs torch only. The specification's Pali names are kept; each docstring says them in
plain English.

Letters of shapes: B batch, D latent dim, K probes, T states of a trajectory, C context dim, F input
features, H hidden units, M static metrics, E extra features, Y output dim, N samples of a
collection, V tokens.
"""
