#!/bin/sh
# Start Redis in a container: the shared settings, and what only this place knows. The passwords come
# from the environment; their hashes lie in memory only.
set -eu
umask 077

sed_script=
for role in operator bridge ingest maintenance beat web flower; do
    name=REDIS_$(printf %s "$role" | tr a-z A-Z)_PASSWORD
    eval "password=\$$name"
    case $password in
    *[!A-Za-z0-9_-]* | '')
        # It also stands in an address.
        echo "error: $name=(hidden): expected letters, digits, - and _ only" >&2
        exit 2
        ;;
    esac
    hash=$(printf %s "$password" | sha256sum | cut -c 1-64)
    sed_script="$sed_script;s/{$role}/$hash/"
    unset "$name" password
done

{
    cat /etc/tds/redis.conf
    echo
    sed "${sed_script#;}" /etc/tds/redis-users.conf
    echo
    echo 'bind * -::*' # the container's networks; nothing is published on the host
    echo 'port 6379'
    echo "maxmemory $REDIS_MAXMEMORY"
    echo 'dir /data'
} >/tmp/redis.conf

unset REDISCLI_AUTH
exec redis-server /tmp/redis.conf
