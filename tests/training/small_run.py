"""A training run of seconds on made-up pictures: in this process, or as a program that tests start and kill.

python -m tests.training.small_run OUT [--steps N] [--devices N]
"""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from lightning_fabric import Fabric
from torch import Tensor

from model.config import KIMNET_LITE
from model.kimnet import KIMNet
from tests.training import made_up
from training.config import RunConfig
from training.loop import checkpoint
from training.loop.checkpoint import Progress
from training.loop.trainer import Trainer
from training.samples.pool import Pool, Pools

SOURCES = {"stills": [{"dataset": "lspet", "part": "train"}], "clips": [{"dataset": "jhmdb", "part": "train"}]}


def config(steps: int = 4, frozen: str = "nothing", clips: int = 2, rate: float = 1e-3) -> RunConfig:
    """`steps` pictures in two sizes, then `clips` steps of clips over a frozen backbone."""
    optimizer = {"rate": rate, "warmup": 2}
    pictures = {
        "name": "pictures",
        "kind": "pictures",
        "frozen": frozen,
        "optimizer": optimizer,
        "phases": [
            {"steps": steps // 2, "size": 64, "batch": 4, "sigma": 1.3},
            {"steps": steps - steps // 2, "size": 96, "batch": 4},
        ],
    }
    moving = {
        "name": "clips",
        "kind": "clips",
        "frozen": "backbone",
        "optimizer": optimizer,
        "sequence": {"frames": 3},
        "phases": [{"steps": clips, "size": 64, "batch": 2}],
    }
    stages = [pictures, moving] if clips else [pictures]
    cadence = {"save_every": 3, "log_every": 1}
    return RunConfig.model_validate({"model": "kimnet-lite", "start": "random", "stages": stages, **SOURCES, **cadence})


def write_config(path: Path, run: RunConfig) -> Path:
    """The config as a YAML file, for the commands."""
    path.write_text(yaml.safe_dump(run.model_dump(mode="json")))
    return path


def network() -> KIMNet:
    """A fresh one, the same each time."""
    torch.manual_seed(0)
    return KIMNet(KIMNET_LITE)


def pools() -> Pools:
    """Four stills and a clip of six frames."""
    return Pools([Pool([made_up.still(i) for i in range(4)])], [Pool([made_up.moving(6)])])


def train(
    out: Path, run: RunConfig, start: KIMNet | None = None, on_save: Callable[[Progress], None] = lambda progress: None
) -> dict[str, Tensor]:
    """Run it on the CPU in this process; gives the averaged weights."""
    out.mkdir(exist_ok=True)
    fabric = Fabric(accelerator="cpu", devices=1, precision=run.precision)
    return Trainer(fabric, run, out, workers=0, on_save=on_save).run(start or network(), pools())


def averaged(out: Path) -> dict[str, Tensor]:
    """The averaged weights in a run's folder."""
    return checkpoint.averaged(out / "last.pt")


def digest(weights: dict[str, Tensor]) -> str:
    """Of all that is trained, in order. Running statistics are left out: each process has its own."""
    whole = hashlib.sha256()
    for key, value in weights.items():
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked")):
            whole.update(value.contiguous().numpy().tobytes())
    return whole.hexdigest()


def main() -> None:
    """Run, and leave the digest of the averaged weights in OUT/rank-N."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--devices", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    strategy = "ddp" if args.devices > 1 else "auto"
    fabric = Fabric(accelerator="cpu", devices=args.devices, strategy=strategy, precision="bf16-mixed")
    fabric.launch()
    weights = Trainer(fabric, config(args.steps), args.out, workers=0).run(network(), pools())
    (args.out / f"rank-{fabric.global_rank}").write_text(digest(weights))


if __name__ == "__main__":
    main()
