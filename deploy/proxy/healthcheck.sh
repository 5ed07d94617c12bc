#!/bin/bash
# Exit code 0 where nginx answers 200 of itself.
set -eu
exec 3<>/dev/tcp/127.0.0.1/8081
printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
read -r answer <&3
[[ $answer == *" 200 "* ]]
