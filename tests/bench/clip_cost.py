"""What a clip's frame costs over Redis: `python -m tests.bench.clip_cost CLIP... [--rounds 3]`.

A frontend, a worker and a Redis for each of two ways, in turn: frames as pixels (KINEPOSE_WORKER_CLIPS=0), and the
clip's file. Prints, a frame: bytes into Redis, and CPU ms of Redis and of frontend and worker, with the processes that
read clips for them.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

import av
import httpx
import redis

from tests.bench.processes import FRONTEND_READY, WORKER_READY, Running, processes

WAYS = {"pixels": "0", "file": "4"}
TICKS_A_SECOND = 100
CALL_S = 600.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for clip in args.clips:
        rounds = [{way: _measured(clip, way) for way in WAYS} for _ in range(args.rounds)]
        print(f"{clip.name}: {_facts(clip)}")
        for way in WAYS:
            columns = zip(*(one[way] for one in rounds), strict=True)
            kilobytes, *cpu = (statistics.median(column) for column in columns)
            print(f"  {way:6} {kilobytes:8.1f} KB, CPU ms: Redis, frontend, worker", *(f"{ms:.2f}" for ms in cpu))


def _facts(clip: Path) -> str:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        sizes = [packet.size for packet in container.demux(stream) if packet.size]
        size = stream.codec_context.width, stream.codec_context.height
    return f"{size[0]} x {size[1]}, {len(sizes)} frames of {sum(sizes) / len(sizes) / 1000:.1f} KB"


def _measured(clip: Path, way: str) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory() as folder, processes(Path(folder)) as started:
        url = started.redis("unix")
        worker = started.service("worker", "worker", redis_url=url, worker_clips=WAYS[way])
        frontend = started.service("frontend", "serve", redis_url=url)
        worker.wait_until_ready(WORKER_READY)
        frontend.wait_until_ready(FRONTEND_READY)
        [store] = [one for one in started.running if one.name == "redis"]
        with httpx.Client(base_url=frontend.addresses["http"], timeout=CALL_S) as http, redis.from_url(url) as client:
            while http.get("/readyz").status_code != 200:
                pass
            _post(http, clip)  # Processes have started then.
            before = [client.info("stats")["total_net_input_bytes"], *map(_cpu_ms, (store, frontend, worker))]
            frames = _post(http, clip)
            after = [client.info("stats")["total_net_input_bytes"], *map(_cpu_ms, (store, frontend, worker))]
    bytes_in, *cpu = ((late - early) / frames for early, late in zip(before, after, strict=True))
    return bytes_in / 1000, cpu[0], cpu[1], cpu[2]


def _post(http: httpx.Client, clip: Path) -> int:
    """How many frames were answered."""
    answer = http.post("/v1/clips", content=clip.read_bytes(), headers={"content-type": "video/mp4"})
    return len(json.loads(answer.raise_for_status().text)["frames"])


def _cpu_ms(process: Running) -> float:
    return sum(_ticks(pid) for pid in _family(process.pid)) * 1000 / TICKS_A_SECOND


def _family(pid: int) -> Iterable[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _family(int(child))


def _ticks(pid: int) -> int:
    """Of the process, and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


if __name__ == "__main__":
    main()
