"""Chaos and high-availability verification for Apache Airflow on Kubernetes."""
