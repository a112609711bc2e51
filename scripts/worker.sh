#!/usr/bin/env bash
# make worker: on a worker host, the worker and the socket's proxy, running and healthy, by the settings that
# `make worker-settings` made on the control host. ARGS=down stops them: tasks at work are tried again elsewhere.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/worker_images.sh
load_settings "$ENV_FILE"

worker_compose=(docker compose --project-directory "$PWD" --file docker-compose.worker.yaml --env-file "$ENV_FILE")
log=.build/worker.log

check_settings() {
    local name
    [ -f "$ENV_FILE" ] || fail 66 "there is no $ENV_FILE: make worker-settings on the control host makes it"
    [ -z "${CLUSTER_BIND_ADDRESS:-}" ] ||
        fail 2 "$ENV_FILE sets CLUSTER_BIND_ADDRESS, so this is the control host, whose worker make up starts"
    for name in CLUSTER_CONTROL_HOST CLUSTER_REDIS_PASSWORD AIRFLOW_VIEWER_PASSWORD CLUSTER_CA PIPELINE_UID PIPELINE_GID; do
        [ -n "${!name:-}" ] || fail 2 "$name is missing in $ENV_FILE: make worker-settings on the control host makes it"
    done
    case ",${WORKER_QUEUES:-small,large}," in
        *,control,*) fail 2 "WORKER_QUEUES in $ENV_FILE names control, whose tasks need the control host" ;;
    esac
    chmod 600 "$ENV_FILE"
}

check_volume() {
    local volume=${SHARED_VOLUME:-./shared_volume}
    [ -e "$volume/.ad-click-volume" ] || fail 66 "$volume is not the shared volume, as it has no .ad-click-volume: \
mount it there, or set SHARED_VOLUME in $ENV_FILE"
    [ -d "$volume/logs" ] || fail 66 "$volume has no folder logs, which make up on the control host makes: is it \
another volume than the control host's?"
}

write_authority() {
    local tls=${CLUSTER_CERTIFICATES:-./.cluster}/tls
    (umask 077 && mkdir -p "$tls")
    chmod 711 "${tls%/tls}" "$tls"
    base64 --decode <<< "$CLUSTER_CA" > "$tls/ca.crt" 2> /dev/null && grep -q 'BEGIN CERTIFICATE' "$tls/ca.crt" ||
        fail 2 "CLUSTER_CA in $ENV_FILE is no certificate: make worker-settings on the control host makes it"
    chmod 644 "$tls/ca.crt"
}

explain_failure() {
    local lines
    lines=$("${worker_compose[@]}" logs --no-log-prefix --tail 15 airflow-worker 2> /dev/null) || true
    case $lines in
        *CERTIFICATE_VERIFY_FAILED*) fail 1 "the certificate of $CLUSTER_CONTROL_HOST is not of this cluster's authority \
or of another name: make worker-settings on the control host makes what this host needs" ;;
        *"invalid username-password pair"* | *WRONGPASS*) fail 1 "$CLUSTER_CONTROL_HOST refuses CLUSTER_REDIS_PASSWORD of \
$ENV_FILE: it is not the control host's" ;;
        *"Connection refused"* | *"timed out"* | *"No route to host"* | *"not known"*) fail 1 "$CLUSTER_CONTROL_HOST does \
not answer at port ${CLUSTER_REDIS_PORT:-6379}: does its cluster run, and does a firewall let this host through?" ;;
    esac
    printf '%s\n' "$lines" >&2
    tail -n 5 "$log" >&2
    fail 1 "the worker does not start; its last words are above, those of Docker Compose in $log"
}

check_settings
if [ "${1:-}" = down ]; then
    # First the worker, so that nothing starts another container.
    "${worker_compose[@]}" stop airflow-worker > /dev/null 2>&1 || true
    docker ps --all --quiet --filter "label=ad-click.project=$COMPOSE_PROJECT_NAME" |
        xargs --no-run-if-empty docker rm --force --volumes > /dev/null
    answer=$("${worker_compose[@]}" down 2>&1) || fail 1 "the worker could not be taken down: ${answer##*$'\n'}"
    say "worker: down"
    exit
fi
[ -z "${1:-}" ] || fail 2 "make worker does not know '$1': ARGS=down stops the worker"
scripts/engine.sh
check_volume
missing=$(missing_images)
[ -z "$missing" ] || fail 66 "the image ${missing%%$'\n'*} is not here: make images-save on the control host and \
make images-load here bring it"
write_authority
mkdir -p .build
say "worker: starting"
timeout --foreground 300 "${worker_compose[@]}" up --detach --wait > "$log" 2>&1 || explain_failure
say "worker: healthy, takes ${WORKER_QUEUES:-small,large} of $CLUSTER_CONTROL_HOST, ${WORKER_CONCURRENCY:-4} tasks at one time"
