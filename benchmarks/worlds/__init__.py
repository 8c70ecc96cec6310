"""Simulated worlds: runs whose truth is known, written as histories that the judge must agree with."""
