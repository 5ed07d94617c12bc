"""`kinepose serve`: the service, in the foreground, until SIGTERM or SIGINT."""

import argparse
import asyncio

from service.cli.failures import CommandFailed
from service.cli.settings import settings_with


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "Every setting is also an environment variable KINEPOSE_...; the command line comes first."
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="default: 8000; 0 takes a free one")
    parser.add_argument("--grpc-port", type=int, metavar="PORT", help="default: 50051; 0 takes a free one")
    parser.add_argument("--model", metavar="NAME", help="a name that `kinepose models` lists")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), help="default: auto")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serve. CommandFailed where the server does not start."""
    names = ("host", "http_port", "grpc_port", "model", "device")
    settings = settings_with(**{name: getattr(arguments, name) for name in names})
    # Only a server needs the web stack: `kinepose models` starts without it.
    from service.observability.tracing import TracingUnavailable
    from service.processes.environment import in_process
    from service.processes.frontend import serve
    from service.transports.http.server import StartFailed

    name = "kinepose" if settings.redis_url is None else "kinepose-frontend"
    try:
        with in_process(settings, name):
            asyncio.run(serve(settings))
    except (StartFailed, TracingUnavailable) as error:
        raise CommandFailed(str(error)) from error
