"""Runs inside the cluster: a Job or CronJob that runs a set of experiments, resumes after its pod was evicted, and
leaves its reports on a volume. `objects.py` is what is installed, `install.py` installs it, `turns.py` and `work.py`
are what the pod does, and `collect.py` fetches what it left."""
