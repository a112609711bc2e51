#!/usr/bin/env bash
# make worker-settings: the settings file of a worker host, with the two secrets and the authority that it needs.
# Written to worker.env in the folder of the certificates, mode 0600; its place on the worker host is .env.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
load_settings "$ENV_FILE"

scripts/certificates.sh
folder=${CLUSTER_CERTIFICATES:-./.cluster}
host=${CLUSTER_CONTROL_HOST:-$CLUSTER_BIND_ADDRESS}
case $host in
    127.* | localhost) fail 2 "worker hosts cannot reach $host: set CLUSTER_BIND_ADDRESS in $ENV_FILE to an address of \
this host's network" ;;
    0.0.0.0) fail 2 "0.0.0.0 is the address of no host: set CLUSTER_CONTROL_HOST in $ENV_FILE to this host's name" ;;
esac

print_settings() {
    cat << END
# A worker host of the cluster of $host: made there by \`make worker-settings\`, read by \`make worker\` here.
# Holds secrets; its mode is 0600.
COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-ad-click}
IMAGE_TAG=${IMAGE_TAG:-latest}
PIPELINE_UID=$PIPELINE_UID
PIPELINE_GID=$PIPELINE_GID
CLUSTER_CONTROL_HOST=$host
CLUSTER_REDIS_PORT=${CLUSTER_REDIS_PORT:-6379}
CLUSTER_API_PORT=${CLUSTER_API_PORT:-8443}

# By these this host takes tasks, and asks which of its containers are still waited for.
CLUSTER_REDIS_PASSWORD=$CLUSTER_REDIS_PASSWORD
AIRFLOW_VIEWER_PASSWORD=$AIRFLOW_VIEWER_PASSWORD

# The authority that the control host's certificate is of; no secret.
CLUSTER_CA=$(base64 < "$folder/tls/ca.crt" | tr -d '\n')

# This host's own: where the shared volume is mounted, its engine, what it takes and how much at one time.
SHARED_VOLUME=./shared_volume
DOCKER_SOCKET=/var/run/docker.sock
CLUSTER_CERTIFICATES=./.cluster
WORKER_QUEUES=small,large
WORKER_CONCURRENCY=${WORKER_CONCURRENCY:-4}
END
}

umask 077
print_settings > "$folder/worker.env"
say "settings: $folder/worker.env, mode 0600, holds CLUSTER_REDIS_PASSWORD and AIRFLOW_VIEWER_PASSWORD: \
copy it to the worker host as .env and set SHARED_VOLUME there, then: make worker"
