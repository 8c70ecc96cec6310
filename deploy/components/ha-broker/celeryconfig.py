"""What Celery's default loader reads for an app that nobody configured: Airflow's own broker options."""

import os

PREFIX = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__"

broker_transport_options = {
    name.removeprefix(PREFIX).lower(): int(value) if value.isdigit() else value
    for name, value in os.environ.items()
    if name.startswith(PREFIX)
}
