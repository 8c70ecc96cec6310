"""Draw what was recorded and judged. Computes no verdict: everything about it comes from the outcome."""
