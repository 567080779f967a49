#!/bin/sh
# Start the broker in a container: the shared settings, and what only this place knows. Passwords come
# from the environment; the file with their hashes lies in memory and is made anew at each start.
set -eu
umask 077

tls=/etc/tds/tls
for name in ca.crt broker.crt broker.key; do
    if [ ! -r "$tls/$name" ]; then
        echo "error: MQTT_TLS_FOLDER/broker holds no $name that user 1883 can read: see compose/README.md" >&2
        exit 1
    fi
done

run=/tmp/mosquitto
mkdir -p "$run"

# MQTT topics may hold characters that mean something to sed.
prefix=$(printf '%s' "$MQTT_TOPIC_PREFIX" | sed 's/[\\&|]/\\&/g')
sed "s|{prefix}|$prefix|g" /etc/tds/mosquitto.acl >"$run/acl"

{
    printf 'admin:%s\n' "$MQTT_ADMIN_PASSWORD"
    printf 'bridge:%s\n' "$MQTT_BRIDGE_PASSWORD"
    printf 'dashboard:%s\n' "$MQTT_DASHBOARD_PASSWORD"
    printf 'gateway:%s\n' "$MQTT_GATEWAY_PASSWORD"
} >"$run/passwords"
mosquitto_passwd -U "$run/passwords"
if grep -q -F -e "$MQTT_ADMIN_PASSWORD" "$run/passwords"; then
    echo 'error: mosquitto_passwd left the passwords as they were: expected hashes' >&2
    exit 1
fi

{
    cat /etc/tds/mosquitto.conf
    echo
    sed "s|{plugin}|/usr/lib/tds/check_rights.so|; s|{folder}|$run|; s|{tls_port}|8883|
        s|{crl}|/etc/tds/crl/crl.pem|" /etc/tds/mosquitto-rights.conf
    sed 's|{plugin}|/usr/lib/tds/persist_sqlite.so|; s|{keeper}|/usr/lib/tds/keep_acknowledged.so|
        s|{folder}|/mosquitto/data|' /etc/tds/mosquitto-sqlite.conf
    echo
    # Where gateways and processes come in, with TLS only; without it, the health check of this container.
    sed "s|{tls_port}|8883|; s|{service_port}|8884|; s| {host}||; s|{tls}/gateways-ca.crt|/etc/tds/ca/gateways-ca.crt|; s|{tls}|$tls|
        s|{identity}|disable_client_cert_date_checks true|" /etc/tds/mosquitto-tls.conf
    echo 'listener 9001'
    echo 'protocol websockets'
    echo 'tls_version tlsv1.2'
    echo "cafile $tls/ca.crt"
    echo "certfile $tls/broker.crt"
    echo "keyfile $tls/broker.key"
    echo 'require_certificate true' # or all would come in who know the password that gateways share
    echo 'max_connections 1000'
    echo 'listener 1883 127.0.0.1'
    echo 'protocol mqtt'
    echo "password_file $run/passwords"
} >"$run/mosquitto.conf"

# The health check's client reads its options here: no password on a command line.
mkdir -p "$run/check"
printf -- '-u admin\n-P %s\n' "$MQTT_ADMIN_PASSWORD" >"$run/check/mosquitto_sub"

unset MQTT_ADMIN_PASSWORD MQTT_BRIDGE_PASSWORD MQTT_DASHBOARD_PASSWORD MQTT_GATEWAY_PASSWORD
exec mosquitto -c "$run/mosquitto.conf"
