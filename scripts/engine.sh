#!/usr/bin/env bash
# make engine: a Docker engine that answers, with compose v2 and buildx.
# One that is there is used as it is. Without one, on Debian or Ubuntu as root, the distribution's own packages
# are installed and the daemon is started. Nothing is left in the system's package configuration.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/settings.sh
source scripts/apt.sh

PATH=$PATH:/usr/sbin:/sbin # not on everyone's path after a plain su
pid_file=/var/run/docker.pid
engine_log=/var/log/docker-ad-click.log
guide=https://docs.docker.com/engine/install

answers() { timeout 20 docker version > /dev/null 2>&1; }

# Debian 12's docker.io is without compose v2 and buildx. Debian 13's packages run on it, over its own containerd
# and libc; they come through a package list of their own in a temporary folder.
install_from_trixie() { # names, those of Debian 13 with /trixie
    local work suites
    suites="$(os_release VERSION_CODENAME) trixie"
    work=$(mktemp -d)
    mkdir -p "$work/lists/partial"
    debian_source
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
        "$mirror" "$suites" "$keyring" > "$work/trixie.sources"
    local apt=(-o "Dir::Etc::SourceList=$work/trixie.sources" -o Dir::Etc::SourceParts=-
        -o "Dir::State::Lists=$work/lists" -o "APT::Default-Release=${suites% *}")
    quiet_apt_get "${apt[@]}" update &&
        quiet_apt_get "${apt[@]}" install -y --no-install-recommends "$@" || {
        rm -rf "$work"
        return 1
    }
    rm -rf "$work"
}

# Installs engine, client, compose and buildx, each under the distribution's name.
install_engine() { # what is missing
    is_root || fail 69 "$1 is missing and only root can install it: run this command as root, or see $guide"
    command -v apt-get > /dev/null || fail 69 "$1 is missing: see $guide"
    say "engine: installing Docker from the packages of $(os_release PRETTY_NAME)"
    case $(os_release VERSION_CODENAME) in
        bookworm)
            install_from_trixie {docker.io,docker-cli,docker-compose,docker-buildx}/trixie ca-certificates iptables
            ;;
        *)
            if [ "$(os_release ID)" = ubuntu ]; then
                install_packages docker.io docker-compose-v2 docker-buildx ca-certificates iptables
            else
                install_packages docker.io docker-cli docker-compose docker-buildx ca-certificates iptables
            fi
            ;;
    esac || fail 69 "the packages of Docker could not be installed (see above): see $guide"
}

# A daemon that was killed leaves its number behind; once another process has that number, the next daemon
# refuses to start, or waits for a containerd that is not there.
remove_stale_pid() { # file, program
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$2" ]; then
        say "engine: removing $1, left by a $2 that was killed"
        rm -f "$1"
    fi
}

start_engine() {
    is_root || fail 69 "the Docker engine is not running and only root can start it: run 'sudo systemctl start \
docker', or see $guide"
    local daemon=
    remove_stale_pid "$pid_file" dockerd
    remove_stale_pid /var/run/docker/containerd/containerd.pid containerd
    if [ -d /run/systemd/system ]; then
        say "engine: starting Docker with systemd"
        systemctl enable --now docker || true
    elif [ -e /etc/init.d/docker ] && [ "$(cat /proc/1/comm)" = init ]; then
        say "engine: starting Docker as a service"
        service docker start || true
    elif [ -e "$pid_file" ]; then
        say "engine: waiting for the dockerd that is starting"
    else
        say "engine: starting dockerd, with its log in $engine_log"
        setsid dockerd > "$engine_log" 2>&1 < /dev/null &
        daemon=$!
    fi
    for _ in $(seq 60); do
        answers && return
        if [ -n "$daemon" ] && ! kill -0 "$daemon" 2> /dev/null; then break; fi
        sleep 1
    done
    if [ -s "$engine_log" ]; then tail -n 15 "$engine_log" >&2; fi
    fail 69 "the Docker engine does not answer: its log above, or 'journalctl -u docker', says why"
}

# Says in one line why an engine that does not answer is not simply down.
explain_refusal() { # what the client answered
    case $1 in
        *"permission denied"*) fail 77 "Docker is running, but $(id -un) may not use it: run 'sudo usermod -aG docker \
$(id -un)', then log in again" ;;
    esac
    if [ -n "${DOCKER_HOST:-}" ]; then fail 69 "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST"; fi
}

command -v docker > /dev/null || install_engine "Docker"
if ! answers; then
    explain_refusal "$(timeout 20 docker version 2>&1 > /dev/null || true)"
    command -v dockerd > /dev/null || install_engine "the Docker engine"
    answers || start_engine
fi
docker compose version > /dev/null 2>&1 || install_engine "docker compose v2"
docker buildx version > /dev/null 2>&1 || install_engine "docker buildx"
say "engine: Docker $(docker version --format '{{.Server.Version}}'), compose $(docker compose version --short), \
buildx $(docker buildx version | awk '{print $2}')"
