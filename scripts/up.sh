#!/usr/bin/env bash
# make up: the whole stack, running and healthy. Makes what is missing, down to the engine; a stack that runs
# already is brought up to date.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh

log=.build/up.log

# Two checkouts with one name would take each other's containers and database.
check_name() {
    local folder
    folder=$(docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --format '{{.Label "com.docker.compose.project.working_dir"}}' | head -n 1)
    if [ -n "$folder" ] && [ "$folder" != "$PWD" ] && [ -d "$folder" ]; then
        fail 1 "the stack $COMPOSE_PROJECT_NAME belongs to the checkout $folder: take it down there (make down), \
or set COMPOSE_PROJECT_NAME in $ENV_FILE to another name"
    fi
}

listens() { # address, port
    local address=$1
    if [ "$address" = 0.0.0.0 ]; then address=127.0.0.1; fi
    (exec 3<> "/dev/tcp/$address/$2") 2> /dev/null
}

# Prints who listens at a port, as far as this user may know.
holder() { # port
    local name
    name=$(docker ps --filter "publish=$1" --format '{{.Names}}' | head -n 1)
    if [ -n "$name" ]; then
        printf ' by the container %s' "$name"
    elif name=$(ss -ltnpH "sport = :$1" 2> /dev/null | sed -nE 's/.*users:\(\("([^"]+)",pid=([0-9]+).*/\1 (process \2)/p'); then
        printf '%s' "${name:+ by $name}"
    fi
}

check_port() { # name of the setting, address
    local port=${!1} own
    listens "$2" "$port" || return 0
    own=$(docker ps --quiet --filter "publish=$port" \
        --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
    [ -n "$own" ] || fail 1 "port $port is taken$(holder "$port"): set $1 in $ENV_FILE to a free port"
}

check_two_ports() { # names of two settings
    [ "${!1}" != "${!2}" ] || fail 1 "$1 and $2 are both ${!1} in $ENV_FILE: give them two ports"
}

check_ports() {
    check_two_ports AIRFLOW_PORT MONITOR_PORT
    check_two_ports AIRFLOW_PORT PREDICTOR_PORT
    check_two_ports MONITOR_PORT PREDICTOR_PORT
    if [ -n "${CLUSTER_BIND_ADDRESS:-}" ]; then
        check_two_ports CLUSTER_REDIS_PORT CLUSTER_API_PORT
        check_port CLUSTER_REDIS_PORT "$CLUSTER_BIND_ADDRESS"
        check_port CLUSTER_API_PORT "$CLUSTER_BIND_ADDRESS"
    fi
    check_port AIRFLOW_PORT "$BIND_ADDRESS"
    check_port MONITOR_PORT "$MONITOR_BIND_ADDRESS"
    check_port PREDICTOR_PORT "$PREDICTOR_BIND_ADDRESS"
}

# Prints the services that stand in the way, the one that ended badly before those that are not healthy.
failing_services() {
    compose ps --all --format '{{.Service}} {{.State}} {{.ExitCode}} {{.Health}}' |
        awk '$2 == "restarting" || $2 == "exited" && $3 != 0 { print 1, $1 }
             $4 == "unhealthy" { print 2, $1 }' | sort -u -k 2 | sort -n | cut -d ' ' -f 2
}

# A service that knows what is wrong says so in its last line; of another the last lines are shown.
explain_failure() {
    local service lines last
    for service in $(failing_services); do
        lines=$(service_logs --no-log-prefix --tail 15 "$service")
        last=${lines##*$'\n'}
        case $last in
            "error: "*) fail 1 "$service: ${last#error: }" ;;
        esac
        printf '%s\n' "$lines" >&2
        fail 1 "the service $service is not well; its last lines are above, more with: make logs ARGS=$service"
    done
    tail -n 5 "$log" >&2
    fail 1 "the services do not start; the last words of Docker Compose are above, the rest in $log"
}

scripts/engine.sh
scripts/env.sh
load_settings "$ENV_FILE"
check_name
check_ports
scripts/base_images.sh
scripts/images.sh
if [ -n "${CLUSTER_BIND_ADDRESS:-}" ]; then scripts/certificates.sh; fi
if [ "${SPARK_NETWORK:-none}" = spark ]; then scripts/images.sh build_model_spark; fi

# What the services are made of: their settings and images. Printed as one number, as settings hold secrets.
fingerprint() {
    { compose config && compose config --images | sort | xargs docker image inspect --format '{{.Id}}'; } |
        sha256sum | cut -d ' ' -f 1
}

mkdir -p .build
stamp=.build/up-$COMPOSE_PROJECT_NAME
# Compose would run airflow-init again, which takes longer than all the rest where nothing has changed.
if [ "$(cat "$stamp" 2> /dev/null)" = "$(fingerprint)" ] && read -r all well < <(count_services) && [ "$all" = "$well" ]; then
    say "services: healthy, as they were"
    print_addresses
    exit
fi

say "services: starting"
rm -f "$stamp"
started=$SECONDS
# The limit ends the wait for a service that starts again and again.
set_compose_command
timeout --foreground 900 "${compose_command[@]}" up --detach --wait --remove-orphans > "$log" 2>&1 ||
    explain_failure
fingerprint > "$stamp"
say "services: healthy after $((SECONDS - started)) s"
print_addresses
