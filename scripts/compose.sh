# Sourced, after settings.sh and load_settings: Docker Compose on this checkout, and what the scripts around the
# stack have in common.

# Names are explicit: neither the caller's folder nor a file beside the settings changes what is meant.
# CLUSTER_BIND_ADDRESS turns the cluster on, SPARK_NETWORK that of Spark.
set_compose_command() {
    compose_command=(docker compose --project-directory "$PWD" --file docker-compose.yaml)
    if [ -n "${CLUSTER_BIND_ADDRESS:-}" ]; then compose_command+=(--file docker-compose.cluster.yaml); fi
    if [ "${SPARK_NETWORK:-none}" = spark ]; then compose_command+=(--file docker-compose.spark.yaml); fi
    compose_command+=(--env-file "$ENV_FILE")
}

compose() {
    set_compose_command
    "${compose_command[@]}" "$@"
}

# Compose 2.26 begins each line with a terminal's code, also where there is no terminal.
service_logs() { # options and services of docker compose logs
    compose logs "$@" | sed -u $'s/^\e\\[2K//'
}

require_stack_settings() {
    [ -f "$ENV_FILE" ] || fail 66 "there is no $ENV_FILE, so no stack either: make up makes both"
    docker version > /dev/null 2>&1 || fail 69 "no Docker engine answers: make up starts one"
}

# The stages' containers are not compose's; StageOperator labels them with the stack's name.
stage_containers() { # more options of docker ps
    docker ps --filter "label=ad-click.project=$COMPOSE_PROJECT_NAME" "$@"
}

# Prints how many services there are and how many of them are well: healthy, or done where they end.
count_services() {
    local service state code health well=0
    while read -r service state code health; do
        case "$service $state $code $health" in
            *" running 0 healthy" | "airflow-init exited 0 ") well=$((well + 1)) ;;
        esac
    done < <(compose ps --all --format '{{.Service}} {{.State}} {{.ExitCode}} {{.Health}}')
    echo "$(compose config --services | wc -l) $well"
}

print_addresses() {
    # The passwords are for the person at the terminal; a log, such as CI's, is told where they stand.
    local flower password="AIRFLOW_ADMIN_PASSWORD in $ENV_FILE" login="login with MONITOR_PASSWORD of $ENV_FILE"
    if [ -t 1 ]; then password=$AIRFLOW_ADMIN_PASSWORD login="login with the password ${MONITOR_PASSWORD:-}"; fi
    if [ -z "${MONITOR_PASSWORD:-}" ]; then
        login="no login, reachable from this machine only; MONITOR_PASSWORD in $ENV_FILE opens it"
    fi
    say "Airflow  ${AIRFLOW_URL:-http://localhost:$AIRFLOW_PORT}  (user $AIRFLOW_ADMIN_USER, password $password)"
    say "Monitor  ${MONITOR_URL:-http://localhost:$MONITOR_PORT}  ($login)"
    say "Predictor  http://localhost:${PREDICTOR_PORT:-5002}/v1/predict  (no login; the model that answers: /health)"
    case ,${COMPOSE_PROFILES:-}, in *,flower,*)
        flower="CLUSTER_FLOWER_PASSWORD in $ENV_FILE"
        if [ -t 1 ]; then flower=$CLUSTER_FLOWER_PASSWORD; fi
        say "Flower  http://localhost:${CLUSTER_FLOWER_PORT:-5555}  (user flower, password $flower)" ;;
    esac
}
