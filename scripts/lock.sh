#!/usr/bin/env bash
# make lock: resolves every requirements.in to the newest versions that fit together and writes the locks.
# One resolution of everything comes first; it is the constraint of each image's own lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

uv=.venv/bin/uv
[ -x "$uv" ] || uv=$(command -v uv) || fail 69 "uv is missing: run 'make venv' first"

compile() { # input output [more options]: --fork-strategy fewest gives one version for all Pythons
    "$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --output-file "$2" "${@:3}" "$1"
    say "$2: $(grep -c '==' "$2" || true) packages"
}

compile requirements.in requirements.txt --upgrade
for source in images/*.in images/*/requirements.in orchestration/requirements.in scripts/uv.in; do
    compile "$source" "${source%.in}.txt" --constraint requirements.txt
done
