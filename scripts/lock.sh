#!/usr/bin/env bash
# make lock: resolves every requirements.in to the newest versions that fit together and writes the locks.
# One resolution of everything comes first; it is the constraint of each image's own lock.
# The same for what the monitor's pages load, with npm where it is there; each keeps its major version. No venv is
# made first, as that needs a package-lock.json that is the one of package.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh

uv=.venv/bin/uv
[ -x "$uv" ] || uv=$(command -v uv) || fail 69 "uv is missing: run 'make venv' first"

compile() { # input output [more options]: --fork-strategy fewest gives one version for all Pythons
    "$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --upgrade --output-file "$2" "${@:3}" "$1"
    say "$2: $(grep -c '==' "$2" || true) packages"
}

compile requirements.in requirements.txt
for source in images/*.in images/*/*.in orchestration/requirements.in scripts/uv.in; do
    compile "$source" "${source%.in}.txt" --constraint requirements.txt
done

monitor=images/monitor
if command -v npm > /dev/null; then
    mapfile -t packages < <(
        sed -nE '/"dependencies"/,/\}/s/^ *"([^"]+)": "([0-9][^"]*)",?$/\1@^\2/p' "$monitor/package.json"
    )
    npm --prefix "$monitor" install --loglevel error --package-lock-only "${packages[@]}" > /dev/null ||
        fail 69 "npm could not renew $monitor/package-lock.json (see above)"
    say "$monitor/package-lock.json: ${#packages[@]} packages"
else
    say "$monitor/package-lock.json: left as it is, as npm is missing"
fi
