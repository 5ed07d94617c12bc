"""Every method equals its own equations, a batch equals its members, and a clip goes on from its state."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.baselines.build import METHODS, build_recurrence
from model.baselines.flow import flow_to_previous
from model.baselines.network import PoseNetwork, unroll
from model.baselines.recurrence import Features, Recurrence, grey_of
from model.config import KIMNET_LITE
from model.engines.recurrence_engine import RecurrenceEngine
from model.state import SessionState
from model.tracker import Tracked, Tracker, TrackRequest
from model.values import Array, Frame, Region
from tests.model.baselines import reference
from tests.model.small import DIM, JOINTS, SMALL

SIDE, FRAMES = 32, 6
CONFIG = replace(SMALL, input_size=4 * SIDE)


def _method(name: str, separable: bool = True) -> Recurrence:
    """In eval mode, float64, with random weights and statistics."""
    torch.manual_seed(3)
    recurrence = build_recurrence(name, replace(CONFIG, separable=separable))
    for key, value in recurrence.state_dict().items():
        if key.endswith("running_var"):
            nn.init.uniform_(value, 0.5, 2.0)
        elif value.is_floating_point() and not key.startswith("poles."):
            inputs = max(1, value[:1].numel())
            nn.init.normal_(value, std=min(0.25, 1.5 * inputs**-0.5))  # wide layers would blow small differences up
    return recurrence.double().eval()


def _clip(batch: int = 1, seed: int = 0) -> list[Features]:
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    base = rand(batch, 4, SIDE, SIDE) * 255
    return [
        Features(
            rand(batch, DIM, SIDE, SIDE), rand(batch, JOINTS, SIDE, SIDE), base.roll((t, 2 * t), dims=(2, 3)).round()
        )
        for t in range(FRAMES)
    ]


def _expected(name: str, recurrence: Recurrence, clip: list[Features], separable: bool) -> Array:
    weights = {key: value.numpy().astype(np.float64) for key, value in recurrence.state_dict().items()}
    f, p, grey = (torch.stack([part[i][0] for part in clip]).numpy() for i in range(3))
    # The initial maps are given here, whatever made them.
    config = replace(CONFIG, separable=separable)
    return reference.METHODS[name](f, p, grey, weights, config)


@torch.no_grad()
@pytest.mark.parametrize("separable", [True, False], ids=["separable", "dense"])
@pytest.mark.parametrize("name", METHODS)
def test_six_frames_equal_the_equations(name: str, separable: bool) -> None:
    """Shapes and values are those of an independent form, longer than the longest window."""
    recurrence, clip = _method(name, separable), _clip()
    maps = unroll(recurrence, clip)
    assert maps.shape == (1, FRAMES, JOINTS, SIDE, SIDE)
    np.testing.assert_allclose(maps[0].numpy(), _expected(name, recurrence, clip, separable), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", METHODS)
def test_a_batch_equals_its_members(name: str) -> None:
    """A clip gives the same maps beside others as alone."""
    recurrence, clips = _method(name), _clip(batch=3)
    together = unroll(recurrence, clips)
    members = [[Features(*(part[i : i + 1] for part in frame)) for frame in clips] for i in range(3)]
    alone = torch.cat([unroll(recurrence, member) for member in members])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("name", METHODS)
def test_a_clip_goes_on_from_its_state(name: str) -> None:
    """What a frame leaves behind is all that the next one needs; its maps do not change it."""
    recurrence, clip = _method(name), _clip()
    _, state = recurrence.first(clip[0])
    for features in clip[1:3]:
        _, state = recurrence.next(features, state)
    assert state.memory.shape == (1, recurrence.memory_channels, SIDE, SIDE)
    kept = state.m.clone(), state.memory.clone()
    once, _ = recurrence.next(clip[3], state)
    again, _ = recurrence.next(clip[3], state)
    assert torch.equal(once, again)
    assert torch.equal(state.m, kept[0])
    assert torch.equal(state.memory, kept[1])
    torch.testing.assert_close(once, unroll(recurrence, clip)[:, 3], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_every_weight_learns(name: str) -> None:
    """The loss of the last frame reaches what the method is made of, through its state."""
    recurrence, clip = _method(name).train(), _clip(batch=2)
    clip[0].p.requires_grad_()
    unroll(recurrence, clip[:3]).square().mean().backward()  # type: ignore[no-untyped-call]
    idle = [key for key, value in recurrence.named_parameters() if value.grad is None]
    assert idle == []


@torch.no_grad()
@pytest.mark.parametrize("name", ["kimnet", "flow", "lstm-pm", "rpstn"])
def test_a_method_remembers(name: str) -> None:
    """Another past gives other maps; frame by frame it does not."""
    recurrence, clip, other = _method(name), _clip(), _clip(seed=1)
    changed = unroll(recurrence, [other[0], clip[1]]) - unroll(recurrence, clip[:2])
    assert float(changed[:, 1].abs().max()) > 1e-12


@torch.no_grad()
def test_flow_moves_maps_with_their_pixels() -> None:
    """A picture that is shifted by three cells takes its maps along."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 2 * SIDE // 8, 2 * SIDE // 8, generator=generator) * 255
    picture = nn.functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 255)
    before = nn.functional.pixel_unshuffle(picture, 2)
    now = nn.functional.pixel_unshuffle(picture.roll(6, dims=3), 2)
    middle = flow_to_previous(now, before)[0, :, 10:22, 10:22].mean(dim=(1, 2))
    torch.testing.assert_close(middle, torch.tensor([-3.0, 0.0]), rtol=0, atol=0.3)


def test_grey_is_the_brightness_of_two_by_two_pixels() -> None:
    """A cell of stride 4 holds four values, row by row."""
    images = torch.zeros(1, 3, 8, 8)
    images[0, :, 0:2, 2:4] = 100
    grey = grey_of(images)
    assert grey.shape == (1, 4, 2, 2)
    torch.testing.assert_close(grey[0, :, 0, 0], torch.tensor([0.0, 100.0, 0.0, 0.0]))


def test_an_unknown_method_is_refused() -> None:
    """The error names those that there are."""
    with pytest.raises(ValueError, match="unknown method lstm; there are frame-by-frame"):
        build_recurrence("lstm", CONFIG)


class _Video:
    """A network of seconds, and a video to read with it."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.config = replace(KIMNET_LITE, input_size=128)
        self.network = PoseNetwork(self.config, name).eval()
        rng = np.random.default_rng(0)
        self.frames = [Frame(rng.integers(0, 256, (96, 128, 3), np.uint8)) for _ in range(5)]

    def tracker(self) -> Tracker:
        return Tracker(RecurrenceEngine(self.config, self._read, self.network.recurrence), "0123456789abcdef")

    def _read(self, picture: Array, fresh: bool) -> Features:
        images = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        return self.network.features(images, torch.tensor([fresh]))

    def run(self, tracker: Tracker, first: int, state: SessionState | None) -> list[Tracked]:
        """The frames from `first` on, each in a box that moves."""
        found = []
        for t, frame in list(enumerate(self.frames))[first:]:
            [answer] = tracker.step([TrackRequest(frame, t, state, (Region(20.0 + t, 10.0, 60.0, 70.0),))])
            assert isinstance(answer, Tracked)
            state = answer.state
            found.append(answer)
        return found


@pytest.mark.parametrize("name", METHODS)
def test_the_tracker_reads_a_video_and_goes_on_from_its_state(name: str) -> None:
    """A second tracker takes a state in the middle of a video and finds the same joints, bit for bit."""
    video = _Video(name)
    whole = video.run(video.tracker(), 0, None)
    rest = video.run(video.tracker(), 3, whole[2].state)
    for a, b in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(a.readings[0].pose.xy_px, b.readings[0].pose.xy_px)
    assert whole[0].state.tracks[0].q.levels.shape[0] == video.network.recurrence.memory_channels


def test_a_state_of_another_method_is_refused() -> None:
    """Its memory has other channels; the error says which were expected."""
    video, other = _Video("kimnet"), _Video("tce")
    state = video.run(video.tracker(), 0, None)[-1].state
    with pytest.raises(ValueError, match=r"q_prev: expected float32 \[64, 32, 32\]"):
        other.tracker().step([TrackRequest(video.frames[0], 5, state, (Region(20.0, 10.0, 60.0, 70.0),))])
