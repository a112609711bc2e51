# Sourced: builds images by docker-bake.hcl with what they need of this host and do not keep.

# Prints the file of the authorities that this host trusts: a proxy that inspects TLS is known to it alone.
host_ca() {
    local file
    for file in "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" /etc/ssl/certs/ca-certificates.crt \
        /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [ -n "$file" ] && [ -r "$file" ]; then
            printf '%s' "$file"
            return
        fi
    done
    printf /dev/null
}

# Builds targets of docker-bake.hcl, all of its default group without one.
bake() { # targets
    local options=() name
    # A proxy reaches the steps as an argument that BuildKit keeps out of the image and of the cache's keys.
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        if [ -n "${!name:-}" ]; then options+=(--set "*.args.$name=${!name}"); fi
    done
    # Inside the checkout, as bake reads no file outside of it without being asked; an address may hold a password.
    (umask 077 && mkdir -p .build &&
        cat "$(host_ca)" > .build/ca &&
        printf '%s' "${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}}" > .build/index &&
        printf '%s' "${NPM_CONFIG_REGISTRY:-${npm_config_registry:-}}" > .build/npm)
    # The builder inside the engine: the only one that sees the engine's own images, such as a base image that
    # was built here, and that leaves its results there.
    BUILDX_BUILDER=$(docker context show) docker buildx bake --file docker-bake.hcl --progress plain "${options[@]}" "$@"
}
