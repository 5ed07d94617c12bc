"""The training loop: phases, resuming after a kill, several processes, and what stops it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.config import CONFIGS
from model.kimnet import KIMNet
from tests.training import small_run
from training.config import Optimizer
from training.loop.checkpoint import Progress
from training.loop.loading import StepSampler
from training.loop.optimizer import build_optimizer, rate_at, set_training_mode

ROOT = Path(__file__).parents[2]


def _rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_run_goes_through_all_phases_of_all_stages(tmp_path: Path) -> None:
    """Every step has its row, with the losses of its kind of stage."""
    small_run.train(tmp_path, small_run.config(steps=4, clips=2))
    places = [(row["stage"], row["step"]) for row in _rows(tmp_path)]
    assert places == [("pictures", 1), ("pictures", 2), ("pictures", 3), ("pictures", 4), ("clips", 1), ("clips", 2)]
    assert {"first", "later"} <= _rows(tmp_path)[0].keys()
    assert {"first", "clip"} <= _rows(tmp_path)[-1].keys()
    assert list((tmp_path / "tensorboard").rglob("events.out.*"))


def test_the_result_is_the_average_in_the_last_checkpoint(tmp_path: Path) -> None:
    """What `run` gives is what `export` reads."""
    weights = small_run.train(tmp_path, small_run.config(steps=2, clips=0))
    for key, value in small_run.averaged(tmp_path).items():
        torch.testing.assert_close(weights[key], value, rtol=0, atol=0)


@pytest.mark.parametrize(("stage", "still"), [(0, "encoder.backbone.trunk.stem."), (1, "encoder.backbone.")])
def test_frozen_parts_stay_to_the_last_bit(tmp_path: Path, stage: int, still: str) -> None:
    """Weights and running statistics of the frozen part are those of before; the rest learns."""
    network = small_run.network()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    config = small_run.config(steps=2, frozen="early")
    after = small_run.train(tmp_path, config.model_copy(update={"stages": [config.stages[stage]]}), network)
    for key, value in after.items():
        if key.startswith(still):
            assert torch.equal(value, before[key]), key
    assert not torch.equal(after["fusion.fine.weight"], before["fusion.fine.weight"])


@pytest.mark.slow
def test_a_killed_run_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    """Kill -9 after the first checkpoint, start again: losses and weights are the same to the last bit."""
    _start(tmp_path / "unbroken").wait(timeout=240)
    killed = _start(tmp_path / "killed")
    _wait_for_row(tmp_path / "killed", 5, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=60)
    assert not (tmp_path / "killed" / "rank-0").exists()
    assert _start(tmp_path / "killed").wait(timeout=240) == 0
    assert _rows(tmp_path / "killed") == _rows(tmp_path / "unbroken")
    assert (tmp_path / "killed" / "rank-0").read_text() == (tmp_path / "unbroken" / "rank-0").read_text()


@pytest.mark.slow
def test_two_processes_train_one_network(tmp_path: Path) -> None:
    """Under torchrun on two CPU processes (gloo) each takes half of every batch, and both end with the same weights."""
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = ["-m", "tests.training.small_run", str(tmp_path), "--steps", "4", "--devices", "2"]
    subprocess.run([sys.executable, *command, *program], cwd=ROOT, check=True, timeout=240, capture_output=True)
    assert len(_rows(tmp_path)) == 6
    fresh = small_run.network().state_dict()
    assert not torch.equal(small_run.averaged(tmp_path)["fusion.fine.weight"], fresh["fusion.fine.weight"])
    # Each saw other samples: only shared gradients keep the two alike.
    assert (tmp_path / "rank-0").read_text() == (tmp_path / "rank-1").read_text()


def test_every_process_takes_its_own_part_of_a_batch() -> None:
    """Together they are the batch of one process, in order, and nothing twice."""
    whole = list(StepSampler(3, 5, 6))
    parts = [list(StepSampler(3, 5, 6, rank, 2)) for rank in range(2)]
    assert [left + right for left, right in zip(*parts, strict=True)] == whole
    assert whole == [list(range(18, 24)), list(range(24, 30))]


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    """Five samples for two processes would be unequal gradients."""
    with pytest.raises(ValueError, match="5 samples"):
        StepSampler(0, 1, 5, 0, 2)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    """The error names stage and step; weights are as before the step, and the last checkpoint stands."""
    network = small_run.network()
    torch.nn.init.constant_(network.fusion.fine.weight, torch.nan)
    before = network.to_key.conv.weight.detach().clone()
    with pytest.raises(FloatingPointError, match="pictures, step 0"):
        small_run.train(tmp_path, small_run.config(), network)
    assert torch.equal(network.to_key.conv.weight, before)
    assert not (tmp_path / "last.pt").exists()


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    """A finite loss is not enough: clipping by an infinite norm would have put NaN into every weight."""
    network = small_run.network()
    network.fusion.fine.weight.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    before = network.to_key.conv.weight.detach().clone()
    with pytest.raises(FloatingPointError, match="pictures, step 0: the gradient's norm is"):
        small_run.train(tmp_path, small_run.config(), network)
    assert torch.equal(network.to_key.conv.weight, before)
    assert not (tmp_path / "last.pt").exists()


def test_what_has_no_share_of_the_rate_has_none_of_the_clip_norm(tmp_path: Path) -> None:
    """A relation that is held takes no gradient, however steep: the others' step is what it is without it."""
    held = {"rate": 1e-3, "warmup": 2, "relation_share": 0.0}
    config = small_run.config(steps=2, clips=0)
    stage = config.stages[0].model_copy(update={"optimizer": Optimizer.model_validate(held)})
    network = small_run.network()
    set_training_mode(network, stage)
    for projection in (network.to_query, network.to_key):
        assert not any(parameter.requires_grad for parameter in projection.parameters())
    optimizer = build_optimizer(network, stage.optimizer)
    assert {group["share"] for group in optimizer.param_groups} == {1.0}
    before = network.to_query.conv.weight.detach().clone()
    small_run.train(tmp_path, config.model_copy(update={"stages": [stage]}), network)
    assert torch.equal(network.to_query.conv.weight, before)


def test_a_part_that_a_network_lacks_cannot_be_frozen() -> None:
    """A ResNet as encoder has no backbone of that kind: the config is refused."""
    stage = small_run.config(frozen="early").stages[0]
    with torch.device("meta"):
        network = KIMNet(CONFIGS["kimnet-r18"])
    with pytest.raises(ValueError, match="kimnet-r18 has no part named early"):
        set_training_mode(network, stage)


def test_every_checkpoint_is_announced(tmp_path: Path) -> None:
    """After it has been written: at every third step here, and at each stage's end."""
    places = []

    def on_save(progress: Progress) -> None:
        assert (tmp_path / "last.pt").exists()
        places.append((progress.stage, progress.step))

    small_run.train(tmp_path, small_run.config(steps=4, clips=2), on_save=on_save)
    assert places == [(0, 3), (0, 4), (1, 2)]


def test_the_cosine_rate_warms_up_and_falls_to_zero() -> None:
    """Against its formula in numpy; each group gets its share."""
    config = Optimizer(rate=2.0, warmup=4)
    steps = np.arange(10)
    expected = 2.0 * np.minimum(1, (steps + 1) / 4) * 0.5 * (1 + np.cos(np.pi * steps / 10))
    np.testing.assert_allclose([rate_at(int(s), 10, config) for s in steps], expected)


def test_the_constant_rate_stays() -> None:
    """As in the paper, which names no schedule."""
    config = Optimizer(name="adam", rate=5e-3, schedule="constant", warmup=0)
    assert {rate_at(step, 10, config) for step in range(10)} == {5e-3}


def test_norms_and_biases_do_not_decay() -> None:
    """Only weights of more than one dimension are drawn to zero, and frozen ones are not in the optimiser."""
    network = small_run.network()
    stage = small_run.config(frozen="backbone").stages[0]
    set_training_mode(network, stage)
    optimizer = build_optimizer(network, stage.optimizer.model_copy(update={"decay": 0.1}))
    for group in optimizer.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] > 0}
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert not held & {id(parameter) for parameter in network.encoder.backbone.parameters()}  # type: ignore[union-attr]


def _start(out: Path) -> "subprocess.Popen[bytes]":
    out.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.training.small_run", str(out), "--steps", "8"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for_row(out: Path, step: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if (out / "log.jsonl").exists() and len((out / "log.jsonl").read_text().splitlines()) >= step:
            return
        time.sleep(0.02)
    raise AssertionError(f"the run did not get to step {step}: exit status {process.poll()}")
