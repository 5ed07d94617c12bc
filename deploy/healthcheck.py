"""Exit code 0 where a Kinepose process in this container answers 200: `kinepose-healthcheck [/healthz | /readyz]`.

Needs Python's own library only, and is quick to start. The address is that of the process: its settings' variables.
"""

import os
import ssl
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 7.0
"""Above KINEPOSE_READY_TIMEOUT_S, below the timeout of the container's health check."""


def main() -> int:
    """Ask, and say on stderr what was wrong."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
    tls = bool(os.environ.get("KINEPOSE_TLS_CERT_FILE"))
    url = f"{'https' if tls else 'http'}://127.0.0.1:{os.environ.get('KINEPOSE_HTTP_PORT', '8000')}{path}"
    # The certificate names the service, not this address, and the way from here to here is not the one it protects.
    context = ssl._create_unverified_context() if tls else None
    # No proxy of the environment stands between a container and itself.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT_S):
            return 0
    except (urllib.error.URLError, OSError) as error:
        print(f"{url}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
