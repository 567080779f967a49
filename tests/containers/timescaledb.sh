#!/bin/sh
# As the image's own start: make the folder once, run what lies in /docker-entrypoint-initdb.d, serve.
set -eu
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }

mkdir -p "$PGDATA" /run/postgresql
chown postgres:postgres "$PGDATA" /run/postgresql
chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    umask 077
    printf '%s' "$POSTGRES_PASSWORD" >/tmp/password
    chown postgres /tmp/password
    # shellcheck disable=SC2086 # several options
    as_postgres initdb --username "$POSTGRES_USER" --pwfile /tmp/password $POSTGRES_INITDB_ARGS
    rm /tmp/password
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
    as_postgres pg_ctl -w start -o "-c config_file=/etc/tds/postgresql.conf -c listen_addresses=''"
    as_postgres createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        as_postgres psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" -v ON_ERROR_STOP=1 --file "$file"
    done
    as_postgres pg_ctl -w stop
fi
exec setpriv --reuid postgres --regid postgres --clear-groups "$@"
