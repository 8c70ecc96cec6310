# Creates Airflow's user and database, once, when the first primary is made; Patroni calls it with that one's address.
set -eu
psql "$1" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=password="$POSTGRES_PASSWORD" <<'SQL'
create role airflow login password :'password';
create database airflow owner airflow;
SQL
