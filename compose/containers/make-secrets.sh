#!/bin/sh
# Everything secret that compose.yaml asks for: passwords in compose/.env, and certificates for MQTT with
# TLS in compose/tls. Run it as root, as the files belong to the users of the containers. What is there
# already stays; delete a line of .env to get a new one.
#   make-secrets.sh [HOST...]    names and addresses by which gateways reach the broker
set -eu
umask 077
cd "$(dirname "$0")/.."

touch .env
add() { # NAME VALUE
    grep -q "^$1=" .env || echo "$1=$2" >>.env
}
for name in POSTGRES_ADMIN_PASSWORD POSTGRES_PASSWORD POSTGRES_WEB_PASSWORD POSTGRES_INGEST_PASSWORD \
    POSTGRES_MAINTENANCE_PASSWORD POSTGRES_BEAT_PASSWORD REDIS_PASSWORD REDIS_WEB_PASSWORD REDIS_INGEST_PASSWORD \
    REDIS_MAINTENANCE_PASSWORD REDIS_BEAT_PASSWORD REDIS_BRIDGE_PASSWORD REDIS_FLOWER_PASSWORD SECRET_KEY MQTT_ADMIN_PASSWORD \
    MQTT_BRIDGE_PASSWORD MQTT_DASHBOARD_PASSWORD MQTT_GATEWAY_PASSWORD; do
    add "$name" "$(openssl rand -hex 32)"
done
add BRIDGE_SHARE_GROUP "$(openssl rand -hex 16)" # with a name before it at most 64 characters
add FLOWER_BASIC_AUTH "operator:$(openssl rand -hex 32)"
add MQTT_TLS_FOLDER "$PWD/tls"
add CA_PASSPHRASE "$(openssl rand -hex 32)"

servers/certificates.sh tls/ca broker mosquitto localhost 127.0.0.1 "$@"
servers/certificates.sh tls/ca service
install -d -m 700 -o 1883 tls/broker
install -m 400 -o 1883 tls/ca/ca.crt tls/ca/broker.crt tls/ca/broker.key tls/broker
install -d -m 700 -o 10001 tls/service
install -m 400 -o 10001 tls/ca/ca.crt tls/ca/service.crt tls/ca/service.key tls/service
# For the CA of gateways, which the service `ca` makes. What is in tls/root-ca belongs offline afterwards.
install -d -m 700 -o 10001 tls/gateways tls/root-ca tls/enrolment
install -d -m 755 -o 10001 tls/public tls/crl
install -m 400 -o 10001 tls/ca/broker.crt tls/ca/broker.key tls/enrolment
install -m 444 -o 10001 tls/ca/ca.crt tls/public
if [ ! -e tls/root-ca/passphrase ] && [ ! -e tls/gateways/intermediate.key ]; then
    openssl rand -hex 32 >tls/root-ca/passphrase
    chown 10001 tls/root-ca/passphrase
fi
echo "Secrets are in $PWD/.env and $PWD/tls."
