"""Experiments as tests: for this repository and any other that has the package installed."""
