#!/usr/bin/env bash
# make rotate SECRET=AIRFLOW_ADMIN_PASSWORD: a new value for a secret, or for several, in .env and everywhere else,
# then the services with it. Values are random and not printed; SMTP_PASSWORD is read from standard input.
# Where it was cut off it can be run again: at each moment .env holds what the database understands, or what this
# command gives the database without knowing its old password.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/compose.sh
source scripts/secrets.sh

all=(AIRFLOW_ADMIN_PASSWORD AIRFLOW_FERNET_KEY AIRFLOW_JWT_SECRET AIRFLOW_SECRET_KEY AIRFLOW_VIEWER_PASSWORD
    CLUSTER_FLOWER_PASSWORD CLUSTER_REDIS_PASSWORD MONITOR_PASSWORD POSTGRES_PASSWORD SMTP_PASSWORD SPARK_AUTH_SECRET)

check_names() { # NAMES
    local name
    [ $# -gt 0 ] || fail 2 "no secret is named: make rotate SECRET=... takes ${all[*]}"
    for name in "$@"; do
        [[ " ${all[*]} " == *" $name "* ]] || fail 2 "$name is no secret: make rotate SECRET=... takes ${all[*]}"
        # The environment wins over the file: its value would be used whatever is written.
        [ -z "${!name+set}" ] || fail 2 "the environment sets $name, which wins over $ENV_FILE: unset it first"
    done
}

# A restart would cut off the tasks of a run.
check_runs() { # NAMES
    local run
    case " $* " in
        *" AIRFLOW_FERNET_KEY "* | *" AIRFLOW_JWT_SECRET "* | *" AIRFLOW_SECRET_KEY "* | *" AIRFLOW_VIEWER_PASSWORD "* | \
            *" POSTGRES_PASSWORD "* | *" SMTP_PASSWORD "* | *" CLUSTER_REDIS_PASSWORD "* | *" SPARK_AUTH_SECRET "*) ;;
        *) return 0 ;;
    esac
    # Without an answer there is no database, or not with this password, and so no run at work either.
    run=$(compose exec -T postgres sh -c 'PGPASSWORD=$POSTGRES_PASSWORD psql --username airflow --tuples-only \
        --no-align --command "select run_id from dag_run where state = '\''running'\'' limit 1"' \
        2> /dev/null < /dev/null) || return 0
    [ -z "$run" ] || fail 75 "the run $run is at work and a restart would cut it off: wait for its end, then try again"
}

# The new value of SMTP_PASSWORD, which the mail server knows already.
read_smtp_password() {
    if [ -t 0 ]; then printf 'SMTP_PASSWORD: ' >&2; fi
    IFS= read -rs SMTP_PASSWORD || [ -n "$SMTP_PASSWORD" ] || fail 2 "there is no new SMTP_PASSWORD on standard input"
    if [ -t 0 ]; then printf '\n' >&2; fi
    case $SMTP_PASSWORD in
        '') fail 2 "the new SMTP_PASSWORD is empty" ;;
        *\'*) fail 2 "the new SMTP_PASSWORD holds the sign ', which $ENV_FILE cannot hold" ;;
    esac
}

has_database() { docker volume inspect "${COMPOSE_PROJECT_NAME}_database" > /dev/null 2>&1; }

# Runs a step whose output matters only where it fails.
quietly() { # what for, command
    local log
    if ! log=$("${@:2}" 2>&1 < /dev/null); then
        printf '%s\n' "$log" | tail -n 5 >&2
        fail 70 "$1; the last words are above. Nothing is lost: run the same command again"
    fi
}

stop_airflow() {
    local services=(airflow-scheduler airflow-apiserver airflow-dag-processor)
    if [ -n "${CLUSTER_BIND_ADDRESS:-}" ]; then services+=(airflow-execution airflow-worker); fi
    quietly "Airflow could not be stopped" compose stop "${services[@]}"
}

# With both keys in the file everything stays readable, whatever happens in between.
change_fernet_key() {
    local new
    new=$(random_secret AIRFLOW_FERNET_KEY)
    AIRFLOW_FERNET_KEY=$new,$(value_of AIRFLOW_FERNET_KEY "$ENV_FILE" || true)
    AIRFLOW_FERNET_KEY=${AIRFLOW_FERNET_KEY%,}
    export AIRFLOW_FERNET_KEY
    write_setting AIRFLOW_FERNET_KEY
    if has_database; then
        say "  stopping Airflow and encrypting its connections and variables anew"
        stop_airflow
        quietly "what is in the database could not be encrypted anew" \
            compose run --rm -T --entrypoint airflow airflow-init rotate-fernet-key
    fi
    AIRFLOW_FERNET_KEY=$new
    write_setting AIRFLOW_FERNET_KEY
}

# PostgreSQL without its server asks for no password: this also mends a database whose password nobody knows.
change_database_password() {
    POSTGRES_PASSWORD=$(random_secret POSTGRES_PASSWORD)
    export POSTGRES_PASSWORD
    write_setting POSTGRES_PASSWORD
    has_database || return 0
    say "  stopping Airflow and its database, and giving the database the new password"
    stop_airflow
    quietly "the database could not be stopped" compose stop postgres
    # The value comes by the container's environment, from the file. A statement that fails would be printed.
    quietly "the database did not take its new password" compose run --rm --no-deps -T --entrypoint sh postgres -c \
        'printf "ALTER USER airflow PASSWORD '\''%s'\''\n" "$POSTGRES_PASSWORD" |
            postgres --single -D "$PGDATA" -c exit_on_error=true -c log_min_error_statement=panic airflow'
}

check_names "$@"
load_settings "$ENV_FILE"
require_stack_settings
check_runs "$@"
case " $* " in *" SMTP_PASSWORD "*) read_smtp_password ;; esac
for name in "$@"; do
    say "$name: changing"
    case $name in
        AIRFLOW_FERNET_KEY) change_fernet_key ;;
        POSTGRES_PASSWORD) change_database_password ;;
        SMTP_PASSWORD) write_setting SMTP_PASSWORD ;;
        *)
            export "$name=$(random_secret "$name")"
            write_setting "$name"
            ;;
    esac
done
scripts/up.sh
say "changed: $*; the new values are in $ENV_FILE"
case "${CLUSTER_BIND_ADDRESS:+ $* }" in
    *" CLUSTER_REDIS_PASSWORD "* | *" AIRFLOW_VIEWER_PASSWORD "*)
        say "worker hosts know it too: make worker-settings here, then make worker with that file on each of them"
        ;;
esac
