# Sourced by every script, from the root of the tree: the settings of $ENV_FILE (default .env), and how a
# script speaks. What the environment already holds wins over the file, as in Docker Compose.

ENV_FILE=${ENV_FILE:-.env}
export ENV_FILE

say() { printf '%s\n' "$*"; }

fail() { # exit code, sentence
    printf 'error: %s\n' "$2" >&2
    exit "$1"
}

# Puts a value of a settings file, without its quotes, into `value`.
unquote() { # what stands after the name
    value=$1
    case $value in
        \"*\" | \'*\') value=${value:1:${#value}-2} ;;
    esac
}

# Prints the value of NAME in a settings file, without its quotes; fails where it has no such line.
value_of() { # NAME file
    local line value
    line=$(grep -E "^$1=" "$2" | tail -n 1) || return 1
    unquote "${line#*=}"
    printf '%s' "$value"
}

# Exports each setting of a file that the environment does not hold yet; of two lines of a name the last one counts.
# No process is started for it: each script does this first.
load_settings() { # file
    local line name value
    local -A settings=()
    [ -f "$1" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        [[ $line =~ ^([A-Za-z_][A-Za-z0-9_]*)=(.*) ]] && settings[${BASH_REMATCH[1]}]=${BASH_REMATCH[2]}
    done < "$1"
    for name in "${!settings[@]}"; do
        if [ -n "${!name+set}" ]; then continue; fi
        unquote "${settings[$name]}"
        export "$name=$value"
    done
    # A monitor without a login stays on this machine; docker-compose.yaml can't say "if".
    export MONITOR_BIND_ADDRESS=127.0.0.1
    if [ -n "${MONITOR_PASSWORD:-}" ]; then MONITOR_BIND_ADDRESS=${BIND_ADDRESS:-127.0.0.1}; fi
}
