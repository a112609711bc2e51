#!/usr/bin/env bash
# make images: builds every image of the project, one line for each at the end. Arguments name single images.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/build.sh
load_settings "$ENV_FILE"

VERSION=$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
REVISION=$(git describe --always --dirty --abbrev=40 2> /dev/null || echo unknown)
export VERSION REVISION

# One sentence on the commonest causes, from the words of the tools that met them.
explain() { # log
    if grep -q 'error: the browser assets' "$1"; then
        grep -m 1 -oE 'the browser assets .*' "$1"
    elif grep -qE 'CERTIFICATE_VERIFY_FAILED|invalid peer certificate|UnknownIssuer' "$1"; then
        echo "a proxy on the way has a certificate that the build does not know: set SSL_CERT_FILE to the bundle \
that holds its authority"
    elif grep -qE 'Temporary failure|name resolution|dns error|Connection refused|timed out|Could not connect' "$1"; then
        echo "the package index or mirror cannot be reached from a build: set https_proxy, or UV_DEFAULT_INDEX to \
an index that can"
    elif grep -qE 'No space left' "$1"; then
        echo "the disk of the Docker engine is full: 'docker system df' shows what uses it"
    else
        echo "the first error above says why"
    fi
}

say "images: building (the whole log goes to .build/images.log)"
mkdir -p .build
started=$SECONDS
build() { bake "$@" > .build/images.log 2>&1 < /dev/null; }

network_failed() { grep -qE 'operation timed out|Read timed out|Connection reset|Temporary failure' .build/images.log; }

# What was built is kept: after a hiccup of the network the second try goes on where the first ended.
if ! build "$@" && ! { network_failed && say "images: the network failed, trying once more" && build "$@"; }; then
    cat .build/images.log >&2
    fail 70 "the images could not be built: $(explain .build/images.log)"
fi
docker image ls --format '{{.Repository}}:{{.Tag}}	{{.Size}}' "localhost/ad-click/*:${IMAGE_TAG:-latest}" |
    sort | awk -F '\t' '{ printf "  %-52s %s\n", $1, $2 }'
say "images: built in $((SECONDS - started)) s"
