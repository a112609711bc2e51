# Sourced, after load_settings: the images that a worker host needs, and the archive that brings them there.

# Prints their full names: Airflow, the socket's proxy, and each stage. That of Spark, which `make images` leaves out,
# is one of them where it was built.
worker_images() {
    local word image
    for word in airflow docker-proxy $(cd images && printf '%s\n' */stage.toml | sed 's:/.*::'); do
        image=localhost/ad-click/$word:${IMAGE_TAG:-latest}
        [ "$word" != build_model_spark ] || docker image inspect "$image" > /dev/null 2>&1 || continue
        printf '%s\n' "$image"
    done
}

# Prints those that the engine does not have.
missing_images() {
    local image
    for image in $(worker_images); do
        docker image inspect "$image" > /dev/null 2>&1 || printf '%s\n' "$image"
    done
}

require_engine() {
    docker version > /dev/null 2>&1 || fail 69 "no Docker engine answers: make engine says why, or starts one"
}
