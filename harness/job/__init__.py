"""Runs inside the cluster: a Job or CronJob that runs a set of experiments, goes on after its pod was evicted, and
leaves its reports on a volume. `objects.py` is what is laid down, `install.py` lays it down, `turns.py` and `work.py`
are what the pod does, and `collect.py` fetches what it left."""
