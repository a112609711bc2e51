#!/usr/bin/env bash
# make test: sets up what is missing and runs every test, as CI does. ARGS go to pytest (ARGS="-k gate -x").
# The tests have settings, images and volumes of their own in .test: a stack that is running stays untouched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

export ENV_FILE=.test/.env
export COMPOSE_PROJECT_NAME=ad-click-test IMAGE_TAG=test SHARED_VOLUME=./.test/shared_volume
rm -f "$ENV_FILE"
scripts/env.sh
unset COMPOSE_PROJECT_NAME IMAGE_TAG SHARED_VOLUME
scripts/venv.sh
scripts/engine.sh
scripts/base_images.sh
scripts/images.sh
scripts/lint.sh
exec .venv/bin/python3 -m pytest "$@"
