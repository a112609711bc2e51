# Sourced by every script, from the root of the tree: the settings of $ENV_FILE (default .env), and how a
# script speaks. What the environment already holds wins over the file, as in Docker Compose.

ENV_FILE=${ENV_FILE:-.env}
export ENV_FILE

say() { printf '%s\n' "$*"; }

fail() { # exit code, sentence
    printf 'error: %s\n' "$2" >&2
    exit "$1"
}

# Prints the value of NAME in a settings file, without its quotes; fails where it has no such line.
value_of() { # NAME file
    local line
    line=$(grep -E "^$1=" "$2" | tail -n 1) || return 1
    line=${line#*=}
    case $line in
        \"*\" | \'*\') line=${line:1:${#line}-2} ;;
    esac
    printf '%s' "$line"
}

# Exports each setting of a file that the environment does not hold yet.
load_settings() { # file
    local name
    [ -f "$1" ] || return 0
    while IFS= read -r name; do
        [ -n "${!name+set}" ] || export "$name=$(value_of "$name" "$1")"
    done < <(sed -nE 's/^([A-Za-z_][A-Za-z0-9_]*)=.*/\1/p' "$1")
    # A monitor without a login stays on this machine; docker-compose.yaml can't say "if".
    export MONITOR_BIND_ADDRESS=127.0.0.1
    if [ -n "${MONITOR_PASSWORD:-}" ]; then MONITOR_BIND_ADDRESS=${BIND_ADDRESS:-127.0.0.1}; fi
}
