"""Scheduled work in simulated worlds: what runs by itself, what became of it, and what of that was recorded."""
