#!/usr/bin/env bash
# Prints the path of a Python 3.11 or newer; exits 1 with a message when there is none.
# $PYTHON, when set, is the only candidate. One that can make virtual environments wins over one that cannot.
set -euo pipefail

if [ -n "${PYTHON:-}" ]; then
    candidates=("$PYTHON")
else
    candidates=(python3 python3.11 python3.12 python3.13 python3.14)
fi

fallback=
for candidate in "${candidates[@]}"; do
    # A version manager's shim may be on PATH and yet refuse to run: ask the interpreter itself.
    path=$("$candidate" -c 'import sys; print(sys.executable if sys.version_info >= (3, 11) else "")' 2>/dev/null) || continue
    [ -n "$path" ] || continue
    if "$path" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$path"
        exit 0
    fi
    fallback=${fallback:-$path}
done

if [ -n "$fallback" ]; then
    echo "$fallback"
    exit 0
fi
echo "kinepose needs Python 3.11 or newer; tried: ${candidates[*]}. Install one, or name it: make PYTHON=/path/to/python3 ..." >&2
exit 1
