#!/usr/bin/env bash
# Builds the images, starts docker-compose.yml for real, calls it, breaks it, and takes it down again.
#
#   deploy/compose-test.sh      from anywhere; needs Docker with Compose v2, and .venv (make setup)
#
# One line a check, PASS or FAIL; exit code 1 at the first that fails, after the logs. Containers, volumes and networks
# are gone afterwards, the images stay. Where the script of a throw-away engine is named by KINEPOSE_CONTAINER_LAB, or lies
# at ../shared/tools/container-lab.sh, that engine is used; it goes on running.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LARGEST_BYTES=600000000 # on top of the base image, which is 125 MB (Python's) where it comes from its makers
python=${PYTHON:-.venv/bin/python}

lab=${KINEPOSE_CONTAINER_LAB:-../shared/tools/container-lab.sh}
if [ -f "$lab" ]; then
    bash "$lab" start
    eval "$(bash "$lab" env)"
    # Its base images have other digests than those that are pinned.
    export COMPOSE_FILE=docker-compose.yml:deploy/compose_checks/stand-ins.yml
fi
docker compose version >/dev/null || { echo "FAIL: no Docker with Compose v2 here" >&2; exit 1; }
"$python" -c 'import grpc, httpx, websockets' || { echo "FAIL: $python lacks packages: make setup" >&2; exit 1; }

free_port() { "$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

work=$(mktemp -d)
export COMPOSE_PROJECT_NAME=kinepose-compose-test KINEPOSE_TAG=compose-test
HTTP_PORT=$(free_port) GRPC_PORT=$(free_port)
export HTTP_PORT GRPC_PORT
export COMPOSE_ANSI=never

down() { docker compose --profile '*' down --volumes --remove-orphans --timeout "${1:-45}" >/dev/null 2>&1; }

finish() {
    local status=$?
    trap - EXIT INT TERM
    if [ "$status" -ne 0 ]; then
        echo "---- what was running, and its last words"
        docker compose --profile '*' ps --all || true
        docker compose --profile '*' logs --no-color --tail 40 || true
    fi
    down 5 || true
    rm -rf "$work"
    [ "$status" -eq 0 ] && echo "PASS compose-test ($SECONDS s)" || echo "FAIL compose-test ($SECONDS s)"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

check() { # what is checked, command... Progress goes to stderr, and is shown only where the check fails.
    local name=$1 begin=$SECONDS status=0
    shift
    # Not in an `if`: bash would then go on after errors inside.
    set +e
    (set -e; "$@") >"$work/output" 2>"$work/errors"
    status=$?
    set -e
    if [ "$status" -ne 0 ]; then
        sed 's/^/     /' "$work/errors" "$work/output"
        echo "FAIL $name"
        exit 1
    fi
    sed 's/^/     /' "$work/output"
    echo "PASS $name ($((SECONDS - begin)) s)"
}

calls() {
    "$python" -m deploy.compose_checks --http "http://127.0.0.1:$HTTP_PORT" --grpc "127.0.0.1:$GRPC_PORT" \
        --key-file "$work/key" --joints "$work/joints.npy" "$@"
}

build() { docker compose build >&2; }

up() { docker compose up --wait --no-recreate --scale worker="$workers"; }
workers=2

containers() { docker compose ps --quiet --all; }

# -- checks -----------------------------------------------------------------------------------------------

image_sizes() {
    local image bytes
    for image in "kinepose:$KINEPOSE_TAG" "kinepose-proxy:$KINEPOSE_TAG"; do
        # The base image's own history begins with what it starts.
        bytes=$(docker history --human=false --format '{{.Size}} {{.CreatedBy}}' "$image" \
            | awk '/CMD \["(python3|bash)"\]/ {exit} {sum += $1} END {printf "%.0f", sum}')
        echo "$image: $bytes bytes on top of its base"
        [ "$bytes" -lt "$LARGEST_BYTES" ] || { echo "above $LARGEST_BYTES"; return 1; }
    done
}

sbom() { # what is installed is what `make sbom` lists, no more and no less
    "$python" -m tools.sbom "$work/sbom.json"
    docker run --rm --network none --entrypoint python "kinepose:$KINEPOSE_TAG" -c '
from importlib.metadata import distributions
for one in distributions():
    print(one.metadata["Name"], one.version)' >"$work/installed"
    "$python" - "$work" <<'PY'
import json, re, sys
from pathlib import Path

def canonical(name): return re.sub(r"[-_.]+", "-", name).lower()

work = Path(sys.argv[1])
listed = {(one["name"], one["version"]) for one in json.loads((work / "sbom.json").read_text())["components"]}
found = {(canonical(name), version) for name, version in map(str.split, (work / "installed").read_text().splitlines())}
differ = {one for one in listed ^ found if one[0] not in ("kinepose", "kinepose-client")}  # both are built here
print(f"{len(listed)} packages", *sorted(differ))
sys.exit(bool(differ))
PY
}

hardened() { # every running container: no root, nothing to write to, no capability, no way to get one
    local container state
    for container in $(containers); do
        state=$(docker inspect --format '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' "$container")
        [[ $state =~ ^[1-9][0-9]*:[0-9]+\ true\ \[ALL\]\ \[no-new-privileges:true\]$ ]] || { echo "$container: $state"; return 1; }
    done
}

make_key() {
    docker compose run --rm --no-TTY keys new compose-test --operator >"$work/key" 2>"$work/run.log" || { cat "$work/run.log"; return 1; }
    grep -qE '^kp_compose-test_[A-Za-z0-9_-]{43}$' "$work/key" && [ "$(wc -l <"$work/key")" -eq 1 ]
    chmod 600 "$work/key"
}

key_known() { # the frontends read the file again by themselves
    for _ in $(seq 100); do
        calls workers --count "$workers" && return
        sleep 0.2
    done
    return 1
}

secrets_kept() { # neither in logs, nor in what `docker inspect` shows, nor in arguments of processes
    docker compose exec --no-TTY redis cat /etc/kinepose/password >"$work/secrets"
    docker compose exec --no-TTY frontend cat /var/lib/kinepose/redis/password >>"$work/secrets"
    cat "$work/key" >>"$work/secrets"
    [ "$(wc -l <"$work/secrets")" -eq 3 ]
    {
        docker compose logs --no-color
        # shellcheck disable=SC2046  # ids
        docker inspect $(containers)
        docker compose top
        docker compose config
    } >"$work/state"
    ! grep -qF -f "$work/secrets" "$work/state"
}

kill_process() { # service, number: SIGKILL to the process itself; Docker starts the container again
    docker compose exec --no-TTY --index "$2" "$1" sh -c 'kill -KILL $(cat /proc/1/task/1/children)'
}

killed_worker() { # number: it dies in mid-stream
    calls streams --count 4 --at 40 --run "docker compose exec -T --index $1 worker sh -c 'kill -KILL \$(cat /proc/1/task/1/children)'"
    up
}

killed_frontend() {
    kill_process frontend 1
    for _ in 1 2 3 4 5; do calls workers --count "$workers"; done
    up
}

killed_redis() { # its file is synced each second
    calls session --at 20 --run 'sleep 2; docker compose kill --signal KILL redis; docker compose up --wait --no-recreate --scale worker='"$workers"
}

scaled() {
    up
    calls workers --count 3
    calls streams --count 3
}

drained() { # SIGTERM: everybody ends with 0
    docker compose stop
    local container state
    for container in $(containers); do
        state=$(docker inspect --format '{{.Name}} {{.State.ExitCode}}' "$container")
        [[ $state == *' 0' ]] || { echo "exit code: $state"; return 1; }
    done
}

nothing_left() {
    down
    local label="label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
    [ -z "$(docker ps --all --quiet --filter "$label")$(docker volume ls --quiet --filter "$label")$(docker network ls --quiet --filter "$label")" ]
}

down 5 || true # of a run that was cut off
check "docker-compose.yml is valid, with every profile" docker compose --profile '*' config --quiet
check "images build" build
check "images are small" image_sizes
check "the SBOM lists what is installed" sbom
check "up --wait, nothing prepared" up
check "containers are hardened" hardened
check "an API key is made, shown once" make_key
check "the key is known to the frontends" key_known
check "no entry without a key" calls refused
check "a clip over HTTP" calls clip
check "frames over a WebSocket" calls websocket
check "a stream over gRPC" calls streams
check "worker 1 killed in mid-stream" killed_worker 1
check "worker 2 killed in mid-stream" killed_worker 2
workers=3
check "scaled to 3 workers" scaled
check "a frontend killed" killed_frontend
check "Redis killed, and started again" killed_redis
check "secrets are kept" secrets_kept
check "SIGTERM drains" drained
check "down leaves nothing" nothing_left
