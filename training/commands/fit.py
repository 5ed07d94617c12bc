"""`kinepose-train fit CONFIG`: all stages of a run, from a start to averaged weights. After a kill it goes on."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from lightning_fabric import Fabric

from training.config import Source, bundled, config_path, read_config
from training.datasets import catalog
from training.datasets.person import Clip
from training.loop.machine import Precision, fitting_precision, keep_memory, machine_name
from training.loop.trainer import Trainer
from training.record.recorder import Call, Recorder, begin
from training.record.start_record import start_record
from training.samples.pool import Pool, Pools
from training.starts.start import Weights, start
from training.teacher.blend import blend, restyle_clips


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("config", help=f"a YAML file, or one of: {', '.join(bundled())}")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds JHMDB/, LSPET/, Penn_Action/ ...")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and logs; a run there goes on")
    parser.add_argument("--start", type=Path, help="weights to start from, where the config says `start: file`")
    parser.add_argument("--start-initialiser", type=Path, help="SimpleBaseline checkpoint for a separate first frame")
    parser.add_argument("--movenet", type=Path, help="movenet-{thunder,lightning}.json, where it says `start: movenet`")
    parser.add_argument("--teacher", type=Path, help="file of `kinepose-train pseudo-label`, for sources that need it")
    parser.add_argument("--fold", type=int, choices=(1, 2, 3), default=1, help="of sub-JHMDB (default %(default)s)")
    parser.add_argument(
        "--set",
        dest="switches",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a switch of the network (Table V and more), such as share_qk=true, kmm_scale=none or kmm_norm=linear",
    )
    parser.add_argument("--accelerator", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--devices", type=int, default=1, help="processes or GPUs (under torchrun: its processes)")
    parser.add_argument(
        "--precision",
        choices=("auto", *get_args(Precision)),
        default="auto",
        help="default: the config's, but float32 on a CPU that only emulates bfloat16",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes a device that prepare batches")


def run(args: argparse.Namespace) -> None:
    """Train as the config says."""
    config = read_config(args.config).with_fold(args.fold).with_switches(args.switches)
    fabric = _fabric(args, config.precision)
    fabric.launch()
    keep_memory()
    fabric.print(f"{fabric.device}, {fabric.strategy.precision.precision}", flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    weights = Weights(args.start, args.start_initialiser, args.movenet)
    network = start(config, weights)
    stills = read_sources(args.data, config.stills, args.teacher)
    pools = Pools(stills, read_sources(args.data, config.clips, args.teacher))
    for source, pool in zip([*config.stills, *config.clips], [*pools.stills, *pools.clips], strict=True):
        frames = sum(map(len, pool.clips))
        fabric.print(f"{source.dataset} {source.part}: {len(pool.clips)} people, {frames} frames", flush=True)
    trainer = Trainer(fabric, config, args.out, args.workers)
    if fabric.is_global_zero:
        record = begin(args.out, config, _call(args, fabric), start_record(config, weights), pools)
        trainer = replace(trainer, on_save=Recorder(args.out, config, record).checkpoint)
    trainer.run(network, pools)


def _call(args: argparse.Namespace, fabric: Fabric) -> Call:
    path = config_path(args.config)
    return Call(
        config_name=path.stem,
        config_text=path.read_text(),
        command=command_text(args),
        fold=args.fold,
        machine=machine_name(fabric.device),
        precision=fabric.strategy.precision.precision,
        processes=fabric.world_size,
        teacher=args.teacher,
    )


def command_text(args: argparse.Namespace) -> str:
    """The command without folders of this machine."""
    words = ["kinepose-train fit", config_path(args.config).stem, "--data DATA"]
    for option in ("start", "start_initialiser", "movenet", "teacher"):
        if getattr(args, option):
            words.append(f"--{option.replace('_', '-')} {getattr(args, option).name}")
    for option, default in (("fold", 1), ("accelerator", "auto"), ("devices", 1), ("precision", "auto")):
        if getattr(args, option) != default:
            words.append(f"--{option} {getattr(args, option)}")
    words += [f"--set {switch}" for switch in args.switches]
    return " ".join([*words, "--out RUN"])


def _fabric(args: argparse.Namespace, precision: Precision) -> Fabric:
    accelerator = args.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = fitting_precision(precision, accelerator) if args.precision == "auto" else args.precision
    strategy = "ddp" if args.devices > 1 else "auto"
    return Fabric(accelerator=accelerator, devices=args.devices, strategy=strategy, precision=chosen)


def read_sources(data: Path, sources: list[Source], teacher: Path | None = None) -> list[Pool]:
    """A pool for each source, with the teacher's word in it where the source asks for it.

    Raises:
        ValueError: a source needs the teacher's file and none was given.
        DatasetError: the data are not as they should be.
    """
    return [Pool(_read(data, source, teacher), source.weight) for source in sources]


def _read(data: Path, source: Source, teacher: Path | None) -> list[Clip]:
    clips = list(catalog.read(data, source.dataset, source.part))
    if not (source.pseudo_labels or source.restyle):
        return clips
    if teacher is None:
        raise ValueError("this config needs --teacher, a file that `kinepose-train pseudo-label` makes")
    return blend(clips, teacher) if source.pseudo_labels else restyle_clips(clips, teacher)
