#!/bin/sh
# Makes the database at the first start, then becomes the server. Takes the settings of the official image that this
# project uses: POSTGRES_USER, POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE, POSTGRES_DB, PGDATA.
set -eu
umask 077

create_cluster() {
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "error: the database has no password: set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE" >&2
        exit 78
    fi
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    # Everything is made in a folder beside its place, on the same volume, and moved there last: a start that
    # is killed leaves nothing that looks like a database.
    new=$PGDATA/.new
    rm -rf "$new"
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --pgdata="$new" --username="$user" --pwfile=/tmp/password --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C.UTF-8 > /tmp/initdb.log || { cat /tmp/initdb.log >&2; exit 1; }
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$new/pg_hba.conf"
    if [ "$database" != postgres ]; then
        # The database comes from a server in single-user mode, which listens to nobody.
        printf 'CREATE DATABASE "%s"\n' "$database" | postgres --single -D "$new" postgres > /dev/null
    fi
    sync
    # PG_VERSION is what makes a folder a database, so it arrives last; what lies in the others' places was left
    # by a start that was killed at this very point.
    for path in "$new"/*; do
        name=${path##*/}
        [ "$name" != PG_VERSION ] || continue
        rm -rf "${PGDATA:?}/$name"
        mv "$path" "$PGDATA/"
    done
    mv "$new/PG_VERSION" "$PGDATA/"
    sync
    rmdir "$new"
}

if [ "${1:-postgres}" = postgres ]; then
    [ $# -eq 0 ] || shift
    chmod 700 "$PGDATA" 2> /dev/null || {
        echo "error: $PGDATA does not belong to the database's user $(id -u): the volume is of another one" >&2
        exit 77
    }
    [ -s "$PGDATA/PG_VERSION" ] || create_cluster
    unset POSTGRES_PASSWORD
    exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"
fi
exec "$@"
