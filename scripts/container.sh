# Sourced, after settings.sh: a container of one of the project's images by hand, with the walls and limits of a stage.

# Puts the image of a word into `image`, the shared volume's folder into `volume`, and the options of docker run that
# every such container has into `walls`; fails where image or folder is missing.
prepare_container() { # word
    load_settings "$ENV_FILE"
    volume=$(cd "${SHARED_VOLUME:-./shared_volume}" 2> /dev/null && pwd -P) ||
        fail 66 "there is no folder ${SHARED_VOLUME:-./shared_volume}: run 'make env'"
    image=localhost/ad-click/$1:${IMAGE_TAG:-latest}
    docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not running: \
run 'make images'"
    walls=(--rm --init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true
        --user "${PIPELINE_UID:-50000}:${PIPELINE_GID:-50000}")
}

# Puts into `limits` what a stage may use by its contract.
read_limits() { # stage
    local memory
    memory=$(declared "$1" memory)
    limits=(--memory "$memory" --memory-swap "$memory" --cpus "$(declared "$1" cpus)"
        --pids-limit "$(declared "$1" pids)")
}

# Prints the value of a key of a stage's contract.
declared() { # stage key
    sed -nE "s/^$2 = \"?([^\"]*)\"?$/\1/p" "images/$1/stage.toml"
}
