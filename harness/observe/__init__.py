"""Workload, prober, watcher, ledger reader: what loads and watches the stack during a run, into the history."""
