"""`kinepose worker`: computes frames that come through Redis, until SIGTERM or SIGINT."""

import argparse
import asyncio

from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.settings import settings_with


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "Needs KINEPOSE_REDIS_URL. Every setting is also an environment variable KINEPOSE_..."
    parser.add_argument("--host", help="address of the probes (default: 127.0.0.1)")
    parser.add_argument(
        "--http-port", type=int, metavar="PORT", help="of the probes; default: 8000; 0 takes a free one"
    )
    parser.add_argument("--model", metavar="NAME", help="a name that `kinepose models` lists")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: auto")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Work. CommandFailed where the worker does not start, or has lost its device."""
    settings = settings_with(**{name: getattr(arguments, name) for name in ("host", "http_port", "model", "device")})
    if settings.redis_url is None:
        raise CommandFailed("a worker needs KINEPOSE_REDIS_URL; without Redis, `kinepose serve` does it all", BAD_INPUT)
    # Only here, so that other commands start without the web stack.
    from service.observability.tracing import TracingUnavailable
    from service.processes.environment import in_process
    from service.processes.worker import WorkerLost, work
    from service.transports.http.server import StartFailed

    try:
        with in_process(settings, "kinepose-worker"):
            asyncio.run(work(settings))
    except (StartFailed, TracingUnavailable, WorkerLost) as error:
        raise CommandFailed(str(error)) from error
