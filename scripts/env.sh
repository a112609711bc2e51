#!/usr/bin/env bash
# make env: the settings file of this installation ($ENV_FILE, default .env) and its shared volume.
# Makes what is missing, with random secrets, and changes no value that is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/secrets.sh

own_id() { # -u or -g: root's own ids would leave files that nobody else can delete
    if [ "$(id -u)" -eq 0 ]; then echo 50000; else id "$1"; fi
}

generated() { # NAME: the value that .env.example leaves to this script; nothing for any other setting
    case $1 in
        PIPELINE_UID) own_id -u ;;
        PIPELINE_GID) own_id -g ;;
        MONITOR_PASSWORD) ;; # empty until it is wanted
        *) random_secret "$1" ;;
    esac
}

# Copies settings from stdin to stdout and fills the empty ones that this script generates.
fill() {
    local line
    while IFS= read -r line || [ -n "$line" ]; do
        [[ $line =~ ^[A-Z][A-Z0-9_]*=$ ]] && line+=$(generated "${line%=}")
        printf '%s\n' "$line"
    done
}

# Prints the settings of .env.example that a file lacks, each under its comment.
missing() { # file
    local line name comment=
    while IFS= read -r line || [ -n "$line" ]; do
        name=${line%%=*}
        case $line in
            '#'*) comment+="$line"$'\n' ;;
            '') comment= ;;
            *)
                if ! grep -q "^$name=" "$1"; then
                    printf '\n%s%s\n' "$comment" "$line"
                    comment=
                fi
                ;;
        esac
    done < .env.example
}

# Prints .env.example with the values that the environment already gives some of its settings.
example() {
    local line name
    while IFS= read -r line || [ -n "$line" ]; do
        name=${line%%=*}
        if [[ $line =~ ^[A-Z][A-Z0-9_]*= ]] && [ -n "${!name:-}" ]; then line="$name=${!name}"; fi
        printf '%s\n' "$line"
    done < .env.example
}

write_settings() {
    local message="made, with random secrets"
    umask 077
    mkdir -p "$(dirname "$ENV_FILE")"
    new=$(mktemp "$ENV_FILE.XXXXXX")
    trap 'rm -f "$new"' EXIT
    if [ ! -e "$ENV_FILE" ]; then
        example | fill > "$new"
        ln "$new" "$ENV_FILE" # unlike mv never replaces a file that another process has just made
    else
        { cat "$ENV_FILE" && missing "$ENV_FILE"; } | fill > "$new"
        if cmp -s "$new" "$ENV_FILE"; then
            message="complete"
        else
            message="what was missing added"
            mv "$new" "$(readlink -f "$ENV_FILE")"
        fi
    fi
    chmod 600 "$ENV_FILE"
    say "settings: $ENV_FILE $message"
}

# Gives the volume's folders, and what stands in them, to the user that runs the containers.
own_volume() { # folders
    if [ "$(id -u)" -eq 0 ]; then
        find "$@" \( ! -uid "$PIPELINE_UID" -o ! -gid "$PIPELINE_GID" \) \
            -exec chown -h "$PIPELINE_UID:$PIPELINE_GID" {} +
        return
    fi
    local folder owner
    for folder in "$@"; do
        owner=$(stat -c %u "$folder")
        [ "$owner" = "$PIPELINE_UID" ] || fail 73 "$folder belongs to user $owner, but the containers \
run as user $PIPELINE_UID: run 'sudo chown -R $PIPELINE_UID:$PIPELINE_GID $SHARED_VOLUME', or set PIPELINE_UID in $ENV_FILE"
    done
}

prepare_volume() {
    local marker=$SHARED_VOLUME/.ad-click-volume
    if [ ! -e "$marker" ]; then
        if [ -n "$(ls -A "$SHARED_VOLUME" 2>/dev/null)" ]; then
            fail 73 "$SHARED_VOLUME holds files but no .ad-click-volume, so it is no volume of this \
project: correct SHARED_VOLUME in $ENV_FILE, or make that file in it"
        fi
        mkdir -p "$SHARED_VOLUME"
        cp -R shared_volume/data "$SHARED_VOLUME/"
        cp shared_volume/.ad-click-volume "$marker"
        say "shared volume: $SHARED_VOLUME made, with the bundled data"
    fi
    mkdir -p "$SHARED_VOLUME"/{runs,model} "$SHARED_VOLUME"/mailbox/{new,cur,tmp}
    own_volume "$SHARED_VOLUME"/{runs,model,mailbox}
    # Where all hosts of a cluster write the logs of tasks.
    if [ -n "${CLUSTER_BIND_ADDRESS:-}" ]; then
        mkdir -p "$SHARED_VOLUME/logs"
        own_volume "$SHARED_VOLUME/logs"
    fi
}

write_settings
load_settings "$ENV_FILE"
umask 022
prepare_volume
