#!/usr/bin/env bash
# make test: sets up what is missing and runs every test, as CI does. ARGS go to pytest (ARGS="-k gate -x"), which then
# runs in one process, so that -x stops at once and --pdb works; ARGS="-n 2" has two workers, as without ARGS.
# The tests have settings, ports, images, database and volume of their own, named after this checkout and kept
# in .test: a stack that is running, here or in another checkout, stays untouched.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/apt.sh

# Some tests need a program that is a package of Debian's by the same name.
install_program() { # name, what needs it
    command -v "$1" > /dev/null && return
    if is_root && command -v apt-get > /dev/null; then
        say "tests: installing $1"
        install_packages "$1" && return
    fi
    say "tests: there is no $1, which the tests of $2 need (on Debian: sudo apt install $1)"
}

free_ports() { # how many
    .venv/bin/python3 - "$1" << 'PYTHON'
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))
PYTHON
}

checkout=$(printf '%s' "$PWD" | cksum | cut -d ' ' -f 1)
export ENV_FILE=.test/.env
scripts/venv.sh
read -r airflow_port monitor_port predictor_port < <(free_ports 3)
rm -f "$ENV_FILE"
COMPOSE_PROJECT_NAME=ad-click-test-$checkout IMAGE_TAG=test-$checkout SHARED_VOLUME=./.test/shared_volume \
    AIRFLOW_PORT=$airflow_port MONITOR_PORT=$monitor_port PREDICTOR_PORT=$predictor_port scripts/env.sh
scripts/engine.sh
scripts/base_images.sh
scripts/images.sh default build_model_spark
scripts/lint.sh
install_program chromium pages
install_program bindfs "a volume that two hosts mount"
# What this command was told is not meant for those that the tests run.
unset MAKEFLAGS MFLAGS MAKELEVEL ARGS STAGE SOURCE DATASET PARAMETERS CSV NAME TARGET RUN
# One worker has the engine and the stack, on which most of the time goes, and the other one all else: tests/workers.py.
[ $# -gt 0 ] || set -- --numprocesses=2
code=0
.venv/bin/python3 -m pytest "$@" || code=$?
# Interrupted: nobody waits for a worker then, and so not for its stack's end either.
if [ "$code" = 2 ]; then VOLUMES=1 scripts/down.sh; fi
exit "$code"
