"""Every experiment on every stack that has bounds for it, by the package's own test."""

from __future__ import annotations

from harness.testing.experiments import ground, pytest_generate_tests, showing, test_experiment, watching

__all__ = ["ground", "pytest_generate_tests", "showing", "test_experiment", "watching"]
