#!/bin/sh
# Start Redis in a container: the shared settings, and what only this place knows. The password comes
# from the environment and lies in memory only.
set -eu
umask 077

case $REDIS_PASSWORD in
*[!A-Za-z0-9_-]*)
    # It also stands in REDIS_URL and in a settings line.
    echo 'error: REDIS_PASSWORD=(hidden): expected letters, digits, - and _ only' >&2
    exit 2
    ;;
esac

{
    cat /etc/tds/redis.conf
    echo
    echo 'bind * -::*' # the container's networks; nothing is published on the host
    echo 'port 6379'
    echo "requirepass $REDIS_PASSWORD"
    echo "maxmemory $REDIS_MAXMEMORY"
    echo 'dir /data'
} >/tmp/redis.conf

unset REDIS_PASSWORD REDISCLI_AUTH
exec redis-server /tmp/redis.conf
