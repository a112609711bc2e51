# Sourced, after settings.sh: what is published, changed by hand in a container of the image model_summary.

# Fails where there is no volume or no image; else it becomes the container's process.
in_model_summary() { # arguments of model_summary.publish_by_hand
    local image volume
    load_settings "$ENV_FILE"
    volume=$(cd "${SHARED_VOLUME:-./shared_volume}" 2> /dev/null && pwd -P) ||
        fail 66 "there is no folder ${SHARED_VOLUME:-./shared_volume}: run 'make env'"
    image=localhost/ad-click/model_summary:${IMAGE_TAG:-latest}
    docker image inspect "$image" > /dev/null 2>&1 || fail 69 "the image $image is not built, or Docker is not \
running: run 'make images'"
    declared() { sed -nE "s/^$1 = \"?([^\"]*)\"?$/\1/p" images/model_summary/stage.toml; }
    exec docker run --rm --init --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true \
        --memory "$(declared memory)" --memory-swap "$(declared memory)" --cpus "$(declared cpus)" \
        --pids-limit "$(declared pids)" --network none --user "$PIPELINE_UID:$PIPELINE_GID" \
        --mount "type=bind,source=$volume,target=/shared_volume" --entrypoint python3 "$image" \
        -m model_summary.publish_by_hand "$@"
}
