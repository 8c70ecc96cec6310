#!/bin/sh
# The archive of PostgreSQL's log: PostgreSQL calls `keep` and `fetch`, its container begins with `start`, and whoever
# backs it up, loses it and restores it calls the rest.
#
# While `$ARCHIVE/hold` is there, PostgreSQL is not started; it names the backup to restore. It is removed last, so that an
# interrupted restore begins again. `$HELD` goes with its container: it says that nothing runs in this one yet.
set -eu
HELD=${HELD:-/var/run/postgresql/held}

start() {
    trap 'exit 143' TERM INT
    if [ -e "$ARCHIVE/hold" ]; then
        : >"$HELD"
        while [ -e "$ARCHIVE/hold" ]; do sleep 0.2; done
        rm "$HELD"
    fi
    trap - TERM INT
    exec docker-entrypoint.sh "$@"
}

# A file that is already there must be equal: PostgreSQL asks again if it ended before it had the answer.
keep() {
    to=$ARCHIVE/wal/$2.gz
    if [ -e "$to" ]; then
        gzip -dc "$to" | cmp -s - "$1"
        return
    fi
    mkdir -p "$ARCHIVE/wal"
    gzip -1c "$1" >"$to.new"
    sync "$to.new"
    mv "$to.new" "$to"
    sync "$ARCHIVE/wal"
}

fetch() {
    [ -e "$ARCHIVE/wal/$1.gz" ] || return 1
    gzip -dc "$ARCHIVE/wal/$1.gz" >"$2.new"
    mv "$2.new" "$2"
}

# Older backups go once this one is complete, and so does the log before its beginning; its first file is printed last.
back_up() {
    to=$ARCHIVE/base/$1
    rm -rf "$to.new" "$to"
    mkdir -p "$to.new" "$ARCHIVE/wal"
    pg_basebackup --no-password -h /var/run/postgresql -U "$POSTGRES_USER" -D "$to.new" -F tar -X none -c fast -l "$1" >&2
    first=$(tar -xOf "$to.new/base.tar" backup_label | sed -n 's/^START WAL LOCATION: .*(file \(.*\))$/\1/p')
    sync "$to.new/base.tar"
    mv "$to.new" "$to"
    for other in "$ARCHIVE/base"/*; do
        [ "$other" = "$to" ] || rm -rf "$other"
    done
    pg_archivecleanup -x .gz "$ARCHIVE/wal" "$first" >&2
    echo "$first"
}

# From here on PostgreSQL is not started again until it is restored. The mark is only in these files, not in the backup.
hold() {
    tar -tf "$ARCHIVE/base/$1/base.tar" >/dev/null
    echo "$2" >"$PGDATA/airflow-chaos"
    echo "$1" >"$ARCHIVE/hold.new"
    mv "$ARCHIVE/hold.new" "$ARCHIVE/hold"
    sync "$ARCHIVE"
}

# Prints how many files are left of the data, and the newest part of the log that the archive has.
lose() {
    if [ ! -e "$ARCHIVE/hold" ] || [ ! -e "$HELD" ]; then
        echo 'PostgreSQL is not held back, so its files stay' >&2
        return 1
    fi
    [ ! -e "$PGDATA" ] || mv -T "$PGDATA" "$PGDATA.lost"
    rm -rf "$PGDATA.lost"
    find "$PGDATA" "$PGDATA.lost" 2>/dev/null | wc -l
    ls "$ARCHIVE/wal" | sed -n 's/^\([0-9A-F]\{24\}\)\.gz$/\1/p' | sort | tail -n 1
}

restore() {
    [ -e "$ARCHIVE/hold" ] || return 0
    rm -rf "$PGDATA.lost"
    if [ ! -e "$PGDATA" ]; then
        if [ ! -e "$HELD" ]; then
            echo 'the container has not begun to wait; ask again' >&2
            return 1
        fi
        rm -rf "$PGDATA.new"
        mkdir -m 0700 "$PGDATA.new"
        tar -xf "$ARCHIVE/base/$(cat "$ARCHIVE/hold")/base.tar" -C "$PGDATA.new"
        : >"$PGDATA.new/recovery.signal"
        sync
        mv -T "$PGDATA.new" "$PGDATA"
    fi
    rm "$ARCHIVE/hold"
    sync "$ARCHIVE"
}

do=$1
shift
case $do in
start | keep | fetch | back_up | hold | lose | restore) "$do" "$@" ;;
*) echo "archive.sh does not know how to $do" >&2; exit 64 ;;
esac
