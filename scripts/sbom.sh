#!/usr/bin/env bash
# make sbom: what each image is made of, to .build/sbom/<image>.json. ARGS="build_model monitor" for some of them.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
load_settings "$ENV_FILE"

docker image inspect "localhost/ad-click/start_pipeline:${IMAGE_TAG:-latest}" > /dev/null 2>&1 ||
    fail 69 "the images are not built, or Docker is not running: run 'make images'"
exec .venv/bin/python3 scripts/sbom.py "$@"
