#!/usr/bin/env bash
# make audit: looks every package of the locks up in PyPI's database of known vulnerabilities. Each lock's versions
# are those of requirements.txt, which a test holds them to. Exit code 1 where one is vulnerable. Where the database
# can't be reached that is said, and nothing was audited.
set -euo pipefail
cd -P "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/build.sh

ca=$(host_ca)
[ "$ca" = /dev/null ] || export REQUESTS_CA_BUNDLE=${REQUESTS_CA_BUNDLE:-$ca}

audit() { timeout 900 .venv/bin/pip-audit --progress-spinner off --disable-pip "$@"; }

# A package that is known to be vulnerable: a mirror that answers, but without the database, finds nothing in it,
# and would find nothing in anything.
known=$(mktemp)
trap 'rm -f "$known"' EXIT
echo 'jinja2==2.10' > "$known"
found=$(audit --no-deps --format json --requirement "$known" 2> /dev/null) || true
if grep -q '"id": *"' <<< "$found"; then
    audit --strict --require-hashes --requirement requirements.txt
else
    say "audit: skipped, as PyPI's database of known vulnerabilities cannot be reached from here"
fi
