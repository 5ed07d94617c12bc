#!/usr/bin/env bash
# Installs the system packages that Kinepose needs on Debian or Ubuntu, and only those that are missing.
#
#   deploy/setup-system.sh serve    venv support for Python, and the libraries that opencv-python links to
#   deploy/setup-system.sh test     the same, redis-server and ffmpeg
#   deploy/setup-system.sh browser  the same and Chromium, in which the page is tested
#   deploy/setup-system.sh valkey   what `test` installs, and valkey-server: Debian has it from 13 on, 12 in its backports
#
# Does nothing when all is there. Runs apt-get directly as root, else through sudo.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
purpose=${1:-}
case $purpose in
    serve | test | browser | valkey) ;;
    *)
        echo "usage: $0 serve|test|browser|valkey" >&2
        exit 2
        ;;
esac

has_library() { # soname; ldconfig is outside the PATH of a Debian user
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p | grep -F -- "$1" >/dev/null
}

missing_packages() {
    local python
    if ! python=$("$here/find-python.sh" 2>/dev/null); then
        # No usable Python at all: the distribution's own; where that is too old, make says so next.
        command -v python3 >/dev/null || echo python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
    fi
    has_library libGL.so.1 || echo libgl1
    has_library libgthread-2.0.so.0 || echo libglib2.0-0
    if [ "$purpose" != serve ]; then
        command -v redis-server >/dev/null || echo redis-server
        command -v ffmpeg >/dev/null || echo ffmpeg
    fi
    if [ "$purpose" = valkey ]; then
        command -v valkey-server >/dev/null || echo valkey-server
    fi
    if [ "$purpose" = browser ]; then
        command -v chromium >/dev/null || echo chromium
    fi
}

mapfile -t packages < <(missing_packages)
[ ${#packages[@]} -gt 0 ] || exit 0

give_up() {
    echo "cannot install system packages: $1." >&2
    echo "Ask an administrator for these, then run make again: ${packages[*]}" >&2
    exit 1
}

command -v apt-get >/dev/null || give_up "apt-get is not here (this is no Debian or Ubuntu)"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || give_up "not root, and there is no sudo"
    # Without a terminal sudo could not ask for a password: find that out before apt-get starts.
    [ -t 0 ] || sudo -n true 2>/dev/null || give_up "not root, and sudo wants a password"
    as_root=(sudo)
fi

echo "installing system packages: ${packages[*]}"
"${as_root[@]}" apt-get update -q || give_up "apt-get update failed"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${packages[@]}" || give_up "apt-get install failed"
