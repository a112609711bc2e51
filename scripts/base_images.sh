#!/usr/bin/env bash
# make base-images: $BASE_IMAGE and $POSTGRES_IMAGE in the engine. One that is there is used as it is; else it is
# pulled; where no registry answers it is built from Debian's packages under the same name.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/apt.sh
source scripts/build.sh
load_settings "$ENV_FILE"

BASE_IMAGE=${BASE_IMAGE:-python:3.13-slim-trixie}
POSTGRES_IMAGE=${POSTGRES_IMAGE:-postgres:17-trixie}
mkdir -p .build

present() { docker image inspect "$1" > /dev/null 2>&1; }

pull() { # image
    timeout 1800 docker pull --quiet "$1" > /dev/null 2>&1
}

# Prints the smallest Debian with a Python as a tar archive. Manuals and translations are left out, as in the
# official slim images; unlike there the standard library keeps its bytecode.
debian_root() {
    local exclude=() folder
    for folder in man info locale doc lintian; do exclude+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
    debian_source
    # The links give the interpreter the names and the place that it has in the official image.
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates,tzdata \
        --keyring="$keyring" "${exclude[@]}" --dpkgopt="path-include=/usr/share/doc/*/copyright" \
        --customize-hook='ln -s ../../bin/python3 "$1/usr/local/bin/python3"' \
        --customize-hook='ln -s python3 "$1/usr/local/bin/python"' \
        --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/log/* "$1"/var/lib/apt/lists/*' \
        --format=tar trixie - "$mirror"
}

build_python() {
    command -v mmdebstrap > /dev/null || {
        is_root && command -v apt-get > /dev/null || fail 69 "$BASE_IMAGE is not here and no registry answers: \
load it with 'docker load', or run this command as root on Debian or Ubuntu, where it can be built from packages"
        say "base images: installing mmdebstrap"
        install_packages mmdebstrap debian-archive-keyring || fail 69 "mmdebstrap could not be installed (see above)"
    }
    # Named only when it is complete: a build that fails half-way has still imported what came.
    local id
    id=$(debian_root | docker import \
        --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8' \
        --change 'CMD ["python3"]' \
        --change 'LABEL ad-click.built-from=debian org.opencontainers.image.title="Debian trixie with Python"' \
        -) && docker tag "$id" "$BASE_IMAGE" || {
        docker image rm "${id:-none}" > /dev/null 2>&1
        return 1
    }
}

build_postgres() {
    bake postgres > .build/postgres.log 2>&1 < /dev/null || {
        tail -n 20 .build/postgres.log >&2
        return 1
    }
}

provide() { # image, function that builds it
    if present "$1"; then
        say "base images: $1 is here"
    elif pull "$1"; then
        say "base images: $1 pulled"
    else
        say "base images: no registry gives $1, so it is built from Debian's packages"
        "$2" || fail 69 "$1 could not be built from Debian's packages (see above)"
        say "base images: $1 built"
    fi
}

provide "$BASE_IMAGE" build_python
provide "$POSTGRES_IMAGE" build_postgres
