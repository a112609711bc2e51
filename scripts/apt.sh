# Sourced: how scripts install Debian's packages, and where this host gets them from.

is_root() { [ "$(id -u)" -eq 0 ]; }

os_release() { # NAME, such as ID or VERSION_CODENAME
    (. /etc/os-release 2>/dev/null && printf '%s' "${!1:-}")
}

# Prints "URI keyring" of this host's own source of a suite's main component, from its apt sources of either
# format; nothing where it has none. The keyring is empty where the source names none.
apt_source() { # suite, such as bookworm [files, by default apt's own]
    local suite=$1 sources=("${@:2}") file
    if [ $# -eq 1 ]; then
        for file in /etc/apt/sources.list /etc/apt/sources.list.d/{debian.sources,*.list,*.sources}; do
            if [ -r "$file" ]; then sources+=("$file"); fi
        done
    fi
    awk -v suite="$suite" '
        function flush() {
            if (!found && uri && enabled && suites ~ " " suite " " && components ~ " main ") found = uri " " key
            uri = key = suites = components = ""; enabled = 1
        }
        /^#/ { next }
        FNR == 1 || /^[ \t]*$/ { flush() }
        /^deb[ \t]/ {
            flush()
            if (match($0, /signed-by=[^] ]+/)) key = substr($0, RSTART + 10, RLENGTH - 10)
            sub(/^deb[ \t]+(\[[^]]*\][ \t]*)?/, "")
            uri = $1; suites = " " $2 " "; $1 = $2 = ""; components = $0 " "
            flush()
        }
        /^URIs:/ { uri = $2 }
        /^Suites:/ { $1 = ""; suites = $0 " " }
        /^Components:/ { $1 = ""; components = $0 " " }
        /^Signed-By:/ { key = $2 }
        /^Enabled:[ \t]*no/ { enabled = 0 }
        END { flush(); if (found) print found }
    ' "${sources[@]:-/dev/null}" | sed -E 's:/+( |$):\1:; s: +$::'
}

# Sets mirror and keyring to where Debian's packages come from: this host's own source where it is a Debian,
# else Debian's own address and keyring.
debian_source() {
    mirror= keyring=
    if [ "$(os_release ID)" = debian ]; then
        read -r mirror keyring <<< "$(apt_source "$(os_release VERSION_CODENAME)")" || true
    fi
    mirror=${mirror:-http://deb.debian.org/debian}
    keyring=${keyring:-/usr/share/keyrings/debian-archive-keyring.gpg}
}

# Runs apt-get without a question; its output is shown only when it fails.
quiet_apt_get() {
    local log
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 "$@" > "$log" 2>&1 < /dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}

# Installs packages of this host's own release, and refreshes its package lists only where that is needed.
install_packages() { # names
    quiet_apt_get install -y --no-install-recommends "$@" 2>/dev/null && return
    quiet_apt_get update && quiet_apt_get install -y --no-install-recommends "$@"
}
