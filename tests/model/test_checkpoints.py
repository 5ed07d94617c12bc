"""Official SimpleBaseline checkpoints: every form loads by key name, and a wrong one says what does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.checkpoints import (
    CheckpointMismatch,
    UnreadableCheckpoint,
    load_simple_baseline,
    mpii_rows,
    read_state,
)
from model.encoders.simple_baseline import SimpleBaseline
from model.skeletons import KINEPOSE_13, Skeleton

MPII_ROWS_IN_PENN_ORDER = (9, 12, 13, 11, 14, 10, 15, 2, 3, 1, 4, 0, 5)
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def official() -> State:
    """A state dict as the official 16-joint networks have it, of the smallest depth."""
    torch.manual_seed(3)
    state = SimpleBaseline(18, joints=16).state_dict()
    return {key: torch.rand(value.shape) if value.ndim else value for key, value in state.items()}


def _saved(content: object, folder: Path) -> Path:
    path = folder / "pose_resnet_18_256x256.pth.tar"
    torch.save(content, path)
    return path


def _with_module(state: State) -> State:
    return {f"module.{key}": value for key, value in state.items()}


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "module": _with_module,
    "nested": lambda state: {"epoch": 140, "state_dict": state, "optimizer": {"lr": 1e-3}},
    "nested with module and a numpy score": lambda state: {
        "perf": np.float64(88.5),
        "state_dict": _with_module(state),
    },
    "without counters": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_loads_into_an_encoder(form: Callable[[State], Any], official: State, tmp_path: Path) -> None:
    """An encoder takes all weights but the final layer's, whatever the file's form."""
    network = SimpleBaseline(18)
    load_simple_baseline(network, _saved(form(official), tmp_path))
    for key, value in network.state_dict().items():
        assert torch.equal(value, official[key]), key


def test_old_file_format_loads(official: State, tmp_path: Path) -> None:
    """Files from before torch 1.6, which the official ones are, load as well."""
    path = tmp_path / "old.pth.tar"
    torch.save(official, path, _use_new_zipfile_serialization=False)
    assert read_state(path).keys() == official.keys()


def test_initialiser_takes_rows_of_mpii(official: State, tmp_path: Path) -> None:
    """Our 13 joints take the final layer's rows of the same MPII joints; our left hip is MPII's row 3."""
    network = SimpleBaseline(18, joints=13)
    load_simple_baseline(network, _saved(official, tmp_path), head="mpii")
    own = network.state_dict()
    for name in ("final_layer.weight", "final_layer.bias"):
        assert torch.equal(own[name][KINEPOSE_13.index("left_hip")], official[name][3])
        assert torch.equal(own[name], official[name][list(mpii_rows(KINEPOSE_13))])


def test_initialiser_takes_the_same_head(official: State, tmp_path: Path) -> None:
    """A network of the checkpoint's own joints takes the final layer as it is."""
    network = SimpleBaseline(18, joints=16)
    load_simple_baseline(network, _saved(official, tmp_path), head="same")
    assert torch.equal(network.state_dict()["final_layer.bias"], official["final_layer.bias"])


def test_initialiser_may_keep_its_own_head(official: State, tmp_path: Path) -> None:
    """With the head skipped the final layer stays as it was, the rest is taken."""
    network = SimpleBaseline(18, joints=13)
    before = network.state_dict()["final_layer.weight"].clone()
    load_simple_baseline(network, _saved(official, tmp_path), head="skip")
    assert torch.equal(network.state_dict()["final_layer.weight"], before)
    assert torch.equal(network.state_dict()["conv1.weight"], official["conv1.weight"])


def test_rows_agree_with_penn_order() -> None:
    """Penn's order is right first, ours left first: the same rows with each pair swapped."""
    mirrored = [MPII_ROWS_IN_PENN_ORDER[i] for i in KINEPOSE_13.mirrored()]
    assert mpii_rows(KINEPOSE_13) == tuple(mirrored)


def test_joint_that_mpii_lacks_is_refused() -> None:
    """A skeleton with an eye cannot take its rows from MPII."""
    with pytest.raises(ValueError, match="MPII has no joint left_eye"):
        mpii_rows(Skeleton("eyes", ("head", "left_eye"), ()))


def test_mismatch_lists_all_that_does_not_fit(official: State, tmp_path: Path) -> None:
    """A key that is missing, one too many and one of another shape are told together, and nothing is loaded."""
    wrong = dict(official)
    del wrong["bn1.weight"]
    wrong["fc.weight"] = torch.zeros(10, 512)
    wrong["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    network = SimpleBaseline(18)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(CheckpointMismatch, match=r"missing: bn1\.weight") as caught:
        load_simple_baseline(network, _saved(wrong, tmp_path))
    assert caught.value.missing == ("bn1.weight",)
    assert caught.value.unexpected == ("fc.weight",)
    assert caught.value.wrong_shape == {"conv1.weight": ((64, 3, 7, 7), (64, 3, 3, 3))}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_another_depth_does_not_fit(official: State, tmp_path: Path) -> None:
    """A ResNet-18 checkpoint is refused by a ResNet-50, by key and by shape."""
    with torch.device("meta"):
        network = SimpleBaseline(50)
    with pytest.raises(CheckpointMismatch) as caught:
        load_simple_baseline(network, _saved(official, tmp_path))
    assert "layer1.0.conv3.weight" in caught.value.missing
    assert "deconv_layers.0.weight" in caught.value.wrong_shape


def test_head_of_other_joints_does_not_fit(official: State, tmp_path: Path) -> None:
    """A final layer that is not MPII's is no source of MPII rows."""
    coco = official | {"final_layer.weight": torch.zeros(17, 256, 1, 1), "final_layer.bias": torch.zeros(17)}
    with pytest.raises(CheckpointMismatch) as caught:
        load_simple_baseline(SimpleBaseline(18, joints=13), _saved(coco, tmp_path), head="mpii")
    assert set(caught.value.wrong_shape) == {"final_layer.weight", "final_layer.bias"}


@pytest.mark.parametrize(
    "content",
    [b"", b"not a checkpoint", b"PK\x03\x04 broken", b"\x80\x02}q\x00.", bytes(range(256))],
    ids=repr,
)
def test_foreign_bytes_are_unreadable(content: bytes, tmp_path: Path) -> None:
    """A file that is no checkpoint is a typed error that names the file."""
    path = tmp_path / "x.pth.tar"
    path.write_bytes(content)
    with pytest.raises(UnreadableCheckpoint, match=r"x\.pth\.tar"):
        read_state(path)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.999])
def test_cut_short_file_is_unreadable(share: float, new_format: bool, tmp_path: Path) -> None:
    """A download that broke off is a typed error, wherever it broke off."""
    path = tmp_path / "x.pth.tar"
    state = {f"layer{i}.weight": torch.rand(50, 3) for i in range(40)}
    torch.save(state, path, _use_new_zipfile_serialization=new_format)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(UnreadableCheckpoint):
        read_state(path)


class _Malicious:
    """Unpickles to a call of a function that is no weight."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that carries a call is refused, and the call does not happen."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableCheckpoint):
        read_state(_saved({"state_dict": _Malicious()}, tmp_path))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, torch.zeros(2)], ids=repr)
def test_file_without_weights_is_unreadable(content: object, tmp_path: Path) -> None:
    """Numbers that are no state dict are a typed error."""
    with pytest.raises(UnreadableCheckpoint, match="expected a dict of tensors"):
        read_state(_saved(content, tmp_path))


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    """A path that is not there is told as such."""
    with pytest.raises(FileNotFoundError):
        read_state(tmp_path / "nowhere.pth.tar")
