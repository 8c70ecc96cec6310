"""A cluster policy: what the DAGs say of retries does not count."""


def task_policy(task):
    task.retries = 0
