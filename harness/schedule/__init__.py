"""The runs that timetables owe, worked out without Airflow, and what is recorded of those that came. Judges nothing."""
