"""Experiments as tests: for this repository, and for anybody's that has the package installed."""
