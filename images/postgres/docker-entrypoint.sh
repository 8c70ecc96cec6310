#!/bin/sh
# Starts PostgreSQL. Where there is no database yet, makes the one that POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB
# name, beside its place, and moves it there when it is whole: a start that was interrupted leaves nothing half made.
set -eu

make_database() {
    : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD: the first start makes the database and its owner}"
    user=${POSTGRES_USER:-postgres}
    new=$PGDATA.new
    rm -rf "$new"
    printf '%s\n' "$POSTGRES_PASSWORD" | initdb --pgdata="$new" --username="$user" --pwfile=/dev/stdin \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$new/postgresql.conf"
    database=${POSTGRES_DB:-$user}
    if [ "$database" != postgres ]; then
        echo "create database \"$database\"" | postgres --single -D "$new" postgres >/dev/null
    fi
    mv -T "$new" "$PGDATA"
}

case ${1:-} in
'' | -*) set -- postgres "$@" ;;
esac
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    make_database
fi
exec "$@"
