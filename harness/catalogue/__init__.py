"""The catalogue of experiments, as pages: what each breaks, its proof, its bounds, and what was measured last.

All of it is generated from `experiments/`, `slo.yaml` and `docs/measured.json` alone, so anybody gets the same files.
The last of the three is collected from recorded runs.
"""
