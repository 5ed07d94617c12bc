#!/bin/sh
# Runs nginx over the addresses that $FRONTENDS has now, and loads them anew when they change: frontends come and go, and
# nginx of itself asks DNS only once. Streams under way are not cut by that.
set -eu

addresses() {
    getent ahostsv4 "$FRONTENDS" | cut -d ' ' -f 1 | sort -u
}

upstream() { # name, port, nginx's way to choose
    echo "upstream $1 {"
    echo "    zone $1 256k;"
    echo "    $3;"
    for address in $known; do
        echo "    server $address:$2 max_fails=1 fail_timeout=2s;"
    done
    # Shorter than the frontends' own patience, so that none closes a connection that is just being used.
    echo "    keepalive 64;"
    echo "    keepalive_timeout 3s;"
    echo "}"
}

write_upstreams() {
    {
        upstream http_calls "$FRONTEND_HTTP_PORT" "hash \$affinity consistent"
        upstream grpc_calls "$FRONTEND_GRPC_PORT" "hash \$remote_addr:\$remote_port consistent"
        upstream grpc_streams "$FRONTEND_GRPC_PORT" "least_conn"
    } >/tmp/upstreams.conf.new
    mv /tmp/upstreams.conf.new /tmp/upstreams.conf
    echo "frontends: $(echo "$known" | tr '\n' ' ')" >&2
}

until known=$(addresses) && [ -n "$known" ]; do
    echo "waiting for the name $FRONTENDS" >&2
    sleep 1
done
write_upstreams

nginx -c /etc/nginx/kinepose/nginx.conf -g 'daemon off;' &
server=$!
# SIGQUIT lets calls that are under way end; SIGTERM would cut them.
trap 'kill -QUIT "$server"' TERM INT

while kill -0 "$server" 2>/dev/null; do
    sleep 1 &
    wait $! || true
    now=$(addresses) || now=
    if [ -n "$now" ] && [ "$now" != "$known" ]; then
        known=$now
        write_upstreams
        kill -HUP "$server"
    fi
done
wait "$server"
