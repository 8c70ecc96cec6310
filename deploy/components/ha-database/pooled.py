"""How Airflow's asynchronous engine connects to a pooler that hands out its connections per transaction.

A statement that is prepared on one server connection is looked for on another, or meets its own name there. asyncpg,
which Airflow 3.3 takes by itself, prepares all of them; psycopg is told to prepare none. (psycopg2 never does.)
"""

connect_args_async = {"prepare_threshold": None}
