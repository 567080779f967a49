#!/bin/sh
# Keys and certificates for MQTT with TLS, signed by a CA in the same folder (made when there is none):
#   certificates.sh FOLDER broker HOST...    broker.crt and broker.key, for these names and addresses
#   certificates.sh FOLDER service           service.crt and service.key, for bridges and other processes
# What is there already stays. Whoever has FOLDER/ca.key can be the broker: keep it elsewhere, offline.
# Gateways' certificates come from another CA: manage.py ca.
set -eu
umask 077

if [ $# -lt 2 ]; then
    sed -n '2,4p' "$0" >&2
    exit 2
fi
folder=$1
kind=$2
shift 2

create() { # NAME COMMON_NAME OPTION...
    name=$1 common_name=$2
    shift 2
    if [ -e "$folder/$name.crt" ]; then
        return
    fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 \
        -subj "/CN=$common_name" "$@" -keyout "$folder/$name.key" -out "$folder/$name.new"
    mv "$folder/$name.new" "$folder/$name.crt" # last: half a pair does not count
}

sign() { # as create
    create "$@" -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -extensions usr_cert
}

mkdir -p "$folder"
create ca 'TDS Telemetry MQTT' -addext keyUsage=critical,keyCertSign,cRLSign
case $kind in
broker)
    names=
    for host in "$@"; do
        case $host in
        *[!0-9.]*) names="$names,DNS:$host" ;;
        *) names="$names,IP:$host" ;;
        esac
    done
    sign broker "${1:?a host name or address}" -addext "subjectAltName=${names#,}"
    ;;
service) sign service service ;;
*) echo "error: '$kind': expected broker or service" >&2 && exit 2 ;;
esac
