"""`kinepose bench load`: paced sessions against a running server, as a table and as JSON."""

import argparse
import asyncio
import json
from pathlib import Path

from rich.console import Console

from bench.footage import Footage, read_footage
from bench.report import faults, load_report, load_tables
from bench.run import Plan, Target, drive
from bench.server_side import NotTold, ServerCounts, server_counts, server_report
from bench.transports import TRANSPORTS
from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.numbers import not_negative, positive, whole_number
from service.cli.outputs import check_outputs
from service.clips.output import text_output
from service.contract import regions
from service.contract.messages import DropPolicy, SessionOptions
from service.demo.__main__ import BUNDLED_CLIP
from service.errors import KineposeError

HTTP_URL, GRPC_TARGET = "http://127.0.0.1:8000", "127.0.0.1:50051"
EPILOG = (
    "Batch sizes come from --metrics-url (all workers), frames per second per core from what these export or from"
    " --pid (all frontends, workers and Redis). Exit code 1: frames were lost, or sessions broke off."
)


def add(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the command."""
    parser = kinds.add_parser("load", help="paced sessions against a running server", epilog=EPILOG)
    _add_load(parser)
    _add_addresses(parser)
    parser.add_argument("--output", metavar="FILE", type=Path, help="the report as JSON")
    parser.set_defaults(run=run)


def _add_load(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--transport", choices=TRANSPORTS, default="grpc", help="default: grpc")
    parser.add_argument("--sessions", metavar="N", type=whole_number, default=16, help="side by side (default: 16)")
    parser.add_argument("--rate", metavar="R", type=positive, default=2.0, help="frames/s of each (default: 2)")
    parser.add_argument("--seconds", metavar="S", type=positive, default=30.0, help="default: 30")
    parser.add_argument(
        "--warm-up", metavar="S", type=not_negative, default=3.0, help="seconds not in the latencies (default: 3)"
    )
    parser.add_argument(
        "--clip", metavar="FILE", type=Path, action="append", help="several: dealt out (default: the bundled clip)"
    )
    parser.add_argument("--region", metavar="X,Y,W,H", help="the person's box in each clip's first frame")
    parser.add_argument(
        "--max-people", metavar="N", type=whole_number, default=1, help="that each session follows (default: 1)"
    )
    parser.add_argument("--model", metavar="NAME", help="default: the server's")
    parser.add_argument("--drop-policy", choices=list(DropPolicy), default=DropPolicy.WAIT, help="default: wait")
    parser.add_argument("--deadline-ms", metavar="N", type=whole_number, help="of each frame (default: none)")


def _add_addresses(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--http-url", metavar="URL", action="append", help=f"several: in turn (default: {HTTP_URL})")
    parser.add_argument(
        "--grpc-target", metavar="HOST:PORT", action="append", help=f"several: in turn (default: {GRPC_TARGET})"
    )
    parser.add_argument("--api-key-file", metavar="FILE", type=Path, help="holds the API key")
    parser.add_argument("--ca-file", metavar="FILE", type=Path, help="PEM of who vouches for the server")
    parser.add_argument("--tls", action="store_true", help="gRPC is encrypted (implied by --ca-file)")
    parser.add_argument("--metrics-url", metavar="URL", action="append", default=[], help="/metrics of a server")
    parser.add_argument("--pid", metavar="N", type=whole_number, action="append", default=[], help="a local server's")


def run(arguments: argparse.Namespace) -> None:
    """Load the server and report. CommandFailed where clips or addresses do not do, or frames were lost."""
    check_outputs(arguments.output)
    plan, target = _plan(arguments), _target(arguments)
    try:
        with Console(stderr=True).status(f"{plan.sessions} sessions, {plan.seconds:g} s"):
            report = asyncio.run(_measure(plan, target, arguments))
    except NotTold as error:
        raise CommandFailed(str(error)) from error
    if arguments.output is not None:
        with text_output(arguments.output) as file:
            file.write(json.dumps(report, indent=2) + "\n")
    Console().print(load_tables(report))
    if found := faults(report):
        raise CommandFailed("; ".join(found))


def _plan(arguments: argparse.Namespace) -> Plan:
    return Plan(
        sessions=arguments.sessions,
        frames_per_s=arguments.rate,
        seconds=arguments.seconds,
        footage=tuple(_footage(clip, arguments.region) for clip in arguments.clip or [BUNDLED_CLIP]),
        options=SessionOptions(
            model=arguments.model,
            drop_policy=DropPolicy(arguments.drop_policy),
            max_people=arguments.max_people,
        ),
        deadline_ms=arguments.deadline_ms,
    )


def _footage(clip: Path, region: str | None) -> Footage:
    try:
        return read_footage(clip, regions.region_from_text(region))
    except (KineposeError, OSError, ValueError) as error:
        raise CommandFailed(f"{clip}: {error}", BAD_INPUT) from error


def _target(arguments: argparse.Namespace) -> Target:
    given, default = arguments.http_url, HTTP_URL
    if arguments.transport == "grpc":
        given, default = arguments.grpc_target, GRPC_TARGET
    certificates = None if arguments.ca_file is None else _content(arguments.ca_file)
    return Target(
        arguments.transport,
        tuple(given or [default]),
        api_key=None if arguments.api_key_file is None else _content(arguments.api_key_file).decode().strip(),
        root_certificates=certificates,
        tls=arguments.tls or certificates is not None,
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}", BAD_INPUT) from error


async def _measure(plan: Plan, target: Target, arguments: argparse.Namespace) -> dict[str, object]:
    before = await _counts(target, arguments)
    done = await drive(target, plan)
    after = await _counts(target, arguments)
    warm_up_s = min(arguments.warm_up, plan.seconds / 2)
    report = load_report(target, plan, done, warm_up_s, None)
    if before is not None and after is not None:
        report["server"] = server_report(before, after, report["frames"]["ok"])
    return report


async def _counts(target: Target, arguments: argparse.Namespace) -> ServerCounts | None:
    if not arguments.metrics_url and not arguments.pid:
        return None
    return await server_counts(arguments.metrics_url, arguments.pid, target.headers, target.root_certificates)
