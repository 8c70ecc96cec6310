module airflow-chaos/images/pause

go 1.26.0
