#!/usr/bin/env bash
# Looks packages up among the known vulnerabilities: audit.sh PIP-AUDIT REQUIREMENTS. Fails where one is known.
# Without a way to the vulnerability service nothing can be looked up: that is said, and is no failure.
set -euo pipefail

report=$(mktemp)
trap 'rm -f "$report"' EXIT

status=0
"$1" --requirement "$2" --no-deps --disable-pip --progress-spinner off --format json --output "$report" || status=$?
if [ ! -s "$report" ]; then
    echo "audit: the vulnerability service does not answer (exit $status); NOTHING WAS AUDITED" >&2
    exit 0
fi
"$(dirname "$1")/python" - "$report" <<'PY'
import json, sys

found = json.load(open(sys.argv[1]))["dependencies"]
audited = [one for one in found if "skip_reason" not in one]
bad = [one for one in audited if one["vulns"]]
if not audited:
    print(f"audit: none of {len(found)} packages could be looked up; NOTHING WAS AUDITED", file=sys.stderr)
for one in bad:
    print(f"audit: {one['name']} {one['version']}: {', '.join(hole['id'] for hole in one['vulns'])}")
print(f"audit: {len(audited)} of {len(found)} packages looked up, {len(bad)} with known vulnerabilities")
sys.exit(bool(bad))
PY
