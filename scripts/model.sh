# Sourced, after settings.sh and container.sh: what is published, changed by hand in a container of the image model_summary.

# Fails where there is no volume or no image; else it becomes the container's process.
in_model_summary() { # arguments of model_summary.publish_by_hand
    prepare_container model_summary
    read_limits model_summary
    exec docker run "${walls[@]}" "${limits[@]}" --network none \
        --mount "type=bind,source=$volume,target=/shared_volume" --entrypoint python3 "$image" \
        -m model_summary.publish_by_hand "$@"
}
