"""From nothing to steady state: engine, images, cluster, Airflow."""
