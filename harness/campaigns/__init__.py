"""More than one run: several experiments, repeats, planted defects, each victim in turn."""
