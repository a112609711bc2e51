#!/usr/bin/env bash
# make venv: a local virtual environment (.venv) with every package of requirements.txt: what runs the tests and
# the tools, and each stage and the monitor without Docker; and the files that the monitor's pages load.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/apt.sh
source scripts/build.sh

stamp=.venv/.requirements

# The first Python that is new enough and really runs with its venv module: a shim of a version manager may be
# on the path for a version that it does not have.
find_python() {
    local name path
    for name in python3.13 python3.12 python3.11 python3; do
        while IFS= read -r path; do
            if "$path" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
                > /dev/null 2>&1; then
                printf '%s' "$path"
                return
            fi
        done < <(type -ap "$name")
    done
    return 1
}

# The authorities that this host trusts, for those of its tools that do not look there.
trust_host() {
    local ca=${PIP_CERT:-$(host_ca)}
    [ "$ca" = /dev/null ] || export PIP_CERT=$ca SSL_CERT_FILE=${SSL_CERT_FILE:-$ca}
}

up_to_date() {
    [ -x .venv/bin/python3 ] && .venv/bin/python3 -c '' 2> /dev/null && cmp -s requirements.txt "$stamp"
}

make_venv() {
    local python
    if ! python=$(find_python); then
        is_root && command -v apt-get > /dev/null || fail 69 "there is no Python 3.11 to 3.13 with its venv module: \
install it (on Debian or Ubuntu: sudo apt install python3-venv)"
        say "venv: installing python3-venv"
        install_packages python3-venv || fail 69 "python3-venv could not be installed (see above)"
        python=$(find_python) || fail 69 "this system has no Python from 3.11 to 3.13: install one"
    fi
    say "venv: installing $(grep -c '==' requirements.txt) packages for $("$python" --version) into .venv"
    if ! [ -x .venv/bin/python3 ] || ! .venv/bin/python3 -c '' 2> /dev/null; then
        "$python" -m venv --clear .venv
    fi
    .venv/bin/python3 -m pip install --quiet --disable-pip-version-check --require-hashes --requirement scripts/uv.txt
    # Exactly the lock: what it does not name any more is removed.
    UV_LINK_MODE=copy UV_HTTP_TIMEOUT=120 UV_HTTP_CONNECT_TIMEOUT=60 UV_HTTP_RETRIES=8 .venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python3 requirements.txt
    # The stages import stage.py by name, as they do in their images.
    .venv/bin/python3 - "$PWD/images" << 'PYTHON'
import sys, sysconfig
with open(sysconfig.get_path("purelib") + "/ad_click_images.pth", "w") as file:
    file.write(sys.argv[1] + "\n")
PYTHON
    cp requirements.txt "$stamp"
}

# The monitor reads its translations compiled; without them it speaks English.
compile_messages() {
    local po
    for po in images/monitor/translations/*/LC_MESSAGES/messages.po; do
        [ "${po%.po}.mo" -nt "$po" ] \
            || .venv/bin/pybabel --quiet compile --input-file "$po" --output-file "${po%.po}.mo"
    done
}

trust_host
if ! up_to_date; then make_venv; fi
# Says nothing and asks no host for anything where they are those of the lock.
.venv/bin/python3 scripts/install_assets.py images/monitor images/monitor/static/vendor
compile_messages
say "venv: .venv is ready ($(.venv/bin/python3 --version))"
