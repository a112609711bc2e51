#!/usr/bin/env bash
# Part of make up where the cluster is on: the authority of this installation, and the certificate by which the control
# host's Redis and API server show their workers that they are it. Made once; the certificate is made anew where
# CLUSTER_CONTROL_HOST is another one, or when it has less than 30 days left.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
load_settings "$ENV_FILE"

[ -n "${CLUSTER_BIND_ADDRESS:-}" ] || fail 2 "the cluster is off: set CLUSTER_BIND_ADDRESS in $ENV_FILE"
command -v openssl > /dev/null || fail 69 "openssl is missing, by which the cluster's certificates are made: install it"

folder=${CLUSTER_CERTIFICATES:-./.cluster}
tls=$folder/tls # what containers see: without the authority's key
host=${CLUSTER_CONTROL_HOST:-$CLUSTER_BIND_ADDRESS}
[[ $host =~ ^[A-Za-z0-9.:-]+$ ]] || fail 2 "CLUSTER_CONTROL_HOST in $ENV_FILE is '$host': it must be a name or an address"

# Redis and the API server are asked by these names on the control host, by the last one from elsewhere.
names="DNS:redis,DNS:airflow-execution,DNS:localhost,IP:127.0.0.1"
if [[ $host =~ ^[0-9.]+$ || $host == *:* ]]; then names+=",IP:$host"; else names+=",DNS:$host"; fi

openssl_quietly() { # arguments of openssl; its words matter only where it fails
    local words
    words=$(openssl "$@" 2>&1) || fail 70 "openssl could not make the cluster's certificates: ${words##*$'\n'}"
}

make_authority() {
    openssl_quietly req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -sha256 \
        -subj "/CN=ad-click cluster" -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout "$new/ca.key" -out "$new/ca.crt"
    mv "$new/ca.key" "$folder/ca.key"
    mv "$new/ca.crt" "$tls/ca.crt"
}

make_certificate() {
    openssl_quietly req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
        -subj "/CN=ad-click control host" -keyout "$new/server.key" -out "$new/request"
    printf '%s\n' "subjectAltName=$names" "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" \
        "extendedKeyUsage=serverAuth" "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" > "$new/extensions"
    openssl_quietly x509 -req -in "$new/request" -CA "$tls/ca.crt" -CAkey "$folder/ca.key" -days 825 -sha256 \
        -set_serial "0x$(openssl rand -hex 16)" -extfile "$new/extensions" -out "$new/server.crt"
    # Of the user that runs the containers, as root's own would be read by nobody in there.
    if [ "$(id -u)" -eq 0 ]; then chown "$PIPELINE_UID:$PIPELINE_GID" "$new/server.key" "$new/server.crt"; fi
    mv "$new/server.key" "$tls/server.key"
    mv "$new/server.crt" "$tls/server.crt"
    printf '%s\n' "$names" > "$folder/names" # last: without it the certificate is made again
}

umask 077
mkdir -p "$tls"
new=$(mktemp -d "$folder/new.XXXXXX")
trap 'rm -rf "$new"' EXIT
if [ ! -s "$folder/ca.key" ] || [ ! -s "$tls/ca.crt" ]; then
    rm -f "$folder/names"
    make_authority
    say "certificates: an authority made in $folder; worker hosts need its ca.crt: make worker-settings"
fi
if [ "$(cat "$folder/names" 2> /dev/null)" != "$names" ] ||
    ! openssl x509 -checkend 2592000 -noout -in "$tls/server.crt" > /dev/null 2>&1; then
    make_certificate
    say "certificates: one made for $host"
fi
# The folder may be entered and the authority read by the containers' user; the keys by their owners alone.
chmod 711 "$folder" "$tls"
chmod 644 "$tls/ca.crt"
chmod 600 "$folder/ca.key" "$tls/server.key"
