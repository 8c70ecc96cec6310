"""What goes on during a run, each written to the history as it is seen: workload, prober, watcher, ledger."""
