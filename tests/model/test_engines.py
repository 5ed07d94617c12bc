"""Engines: every one gives what the network gives, for every frame alone, and keeps nothing of anyone's."""

import sys
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch

from model.config import KIMNET_LITE, KIMNET_R50, KIMNetConfig
from model.engines.base import Engine, EngineError, ModelInput, ModelOutput
from model.engines.choose import open_engine
from model.engines.openvino_engine import OpenVINOEngine
from model.engines.torch_engine import TorchEngine
from model.engines.torch_engine import _device_errors as device_errors
from model.heatmaps import smoothed
from model.kimnet import KIMNet
from model.state import quantise
from tests.support.weights import random_network

SMALL_LITE = replace(KIMNET_LITE, input_size=128)
SMALL_R50 = replace(KIMNET_R50, input_size=64, encoder="resnet18", initialiser="resnet18")
CARRIES_PRIOR = replace(KIMNET_LITE, input_size=64, kmm_heat_in="prior")

TOLERANCE = 1e-4
"""Two runtimes order their float32 sums differently; maps here reach about 2."""

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def lite() -> KIMNet:
    """A small kimnet-lite with random weights."""
    return random_network(SMALL_LITE)


@pytest.fixture(scope="module")
def on_openvino(lite: KIMNet) -> Engine:
    """What a CPU gets by itself."""
    return open_engine(lite, device="cpu")


@pytest.fixture(scope="module")
def on_torch(lite: KIMNet) -> Engine:
    """The same network on torch."""
    return open_engine(lite, device="cpu", runtime="torch")


@pytest.fixture(params=["openvino", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each runtime in turn."""
    found: Engine = request.getfixturevalue(f"on_{request.param}")
    return found


def make_input(config: KIMNetConfig, seed: int, fresh: bool) -> ModelInput:
    """A noise picture, with noise maps of a previous frame unless fresh."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (config.input_size, config.input_size, 3), np.uint8)
    if fresh:
        return ModelInput(image)
    shape = (config.joints, config.heatmap_size, config.heatmap_size)
    return ModelInput(image, rng.random(shape, np.float32), rng.random(shape, np.float32))


def mixed_batch(config: KIMNetConfig) -> list[ModelInput]:
    """Fresh and continuing frames side by side."""
    return [make_input(config, seed, fresh) for seed, fresh in enumerate([True, False, False, True, False])]


def by_the_network(network: KIMNet, item: ModelInput) -> ModelOutput:
    """The reference: encode, then start or recur, in float32 and without any engine."""
    image = torch.tensor(item.image).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        encoded = network.encode(image)
        if item.q_prev is None or item.m_prev is None:
            maps = network.start(encoded.p)
        else:
            q_prev, m_prev = torch.tensor(item.q_prev)[None], torch.tensor(item.m_prev)[None]
            maps = network.recur(q_prev, encoded.k, encoded.g, m_prev)
    presence = float(encoded.presence[0].sigmoid())
    return ModelOutput(maps.m[0].numpy(), encoded.q[0].numpy(), maps.carry[0].numpy(), presence)


def assert_close(got: ModelOutput, expected: ModelOutput, tolerance: float = TOLERANCE) -> None:
    """All maps agree within the tolerance."""
    for name in ("m", "q", "carry"):
        np.testing.assert_allclose(getattr(got, name), getattr(expected, name), rtol=0, atol=tolerance)
    assert abs(got.presence - expected.presence) <= tolerance


def assert_same_bits(got: ModelOutput, expected: ModelOutput) -> None:
    """All maps agree bit for bit."""
    for name in ("m", "q", "carry"):
        assert getattr(got, name).tobytes() == getattr(expected, name).tobytes(), name
    assert got.presence == expected.presence


def copied(output: ModelOutput) -> ModelOutput:
    """The output as it is now."""
    return ModelOutput(output.m.copy(), output.q.copy(), output.carry.copy(), output.presence)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "continuing"])
def test_an_engine_gives_what_the_network_gives(engine: Engine, lite: KIMNet, fresh: bool) -> None:
    """Both paths, on both runtimes, agree with the network called by hand."""
    item = make_input(SMALL_LITE, 7, fresh)
    [output] = engine.infer([item])
    assert_close(output, by_the_network(lite, item))


def test_random_maps_are_not_trivial(lite: KIMNet) -> None:
    """The comparison above means something: maps vary by far more than its tolerance."""
    output = by_the_network(lite, make_input(SMALL_LITE, 7, fresh=False))
    assert output.m.std() > 1000 * TOLERANCE
    assert output.q.std() > 100 * TOLERANCE


def test_served_size_agrees_between_runtimes() -> None:
    """kimnet-lite as it is served, 256 x 256: OpenVINO equals torch on both paths."""
    network = random_network(KIMNET_LITE, seed=3)
    batch = [make_input(KIMNET_LITE, 1, fresh=True), make_input(KIMNET_LITE, 2, fresh=False)]
    runtimes: tuple[Literal["openvino", "torch"], ...] = ("openvino", "torch")
    left, right = (open_engine(network, "cpu", runtime).infer(batch) for runtime in runtimes)
    for got, expected in zip(left, right, strict=True):
        assert_close(got, expected)


def test_a_batch_equals_its_members(engine: Engine) -> None:
    """On the CPU a frame's result does not depend on its batch, bit for bit."""
    batch = mixed_batch(SMALL_LITE)
    together = engine.infer(batch)
    alone = [engine.infer([item])[0] for item in batch]
    for got, expected in zip(together, alone, strict=True):
        assert_same_bits(got, expected)


def test_the_order_of_a_batch_does_not_matter(engine: Engine) -> None:
    """Neighbours in a batch leave no trace in each other."""
    batch = mixed_batch(SMALL_LITE)
    forth, back = engine.infer(batch), engine.infer(batch[::-1])[::-1]
    for got, expected in zip(back, forth, strict=True):
        assert_same_bits(got, expected)


def test_an_empty_batch_has_no_output(engine: Engine) -> None:
    """Nothing in, nothing out."""
    assert engine.infer([]) == []


def test_results_outlive_overwritten_inputs(engine: Engine) -> None:
    """The caller may reuse its arrays once infer has returned."""
    item = make_input(SMALL_LITE, 4, fresh=False)
    [output] = engine.infer([item])
    before = copied(output)
    assert item.q_prev is not None
    assert item.m_prev is not None
    for array in (item.image, item.q_prev, item.m_prev):
        array.fill(0)
    assert_same_bits(output, before)


def test_results_outlive_later_calls(engine: Engine) -> None:
    """An output is the caller's own: the engine's next frames do not write into it."""
    outputs = engine.infer(mixed_batch(SMALL_LITE))
    before = [copied(output) for output in outputs]
    engine.infer([make_input(SMALL_LITE, 90, fresh=True), make_input(SMALL_LITE, 91, fresh=False)])
    for got, expected in zip(outputs, before, strict=True):
        assert_same_bits(got, expected)


def test_outputs_can_be_written(engine: Engine) -> None:
    """Outputs are ordinary arrays, and writing into one does not reach the engine."""
    item = make_input(SMALL_LITE, 5, fresh=True)
    [first] = engine.infer([item])
    before = copied(first)
    first.m.fill(9)
    first.q.fill(9)
    [again] = engine.infer([item])
    assert_same_bits(again, before)


def test_read_only_and_strided_inputs_are_read(engine: Engine) -> None:
    """Arrays out of a byte codec are read-only, crops may be views: both give the same as plain copies."""
    item = make_input(SMALL_LITE, 6, fresh=False)
    assert item.q_prev is not None
    assert item.m_prev is not None
    wide = np.zeros((128, 256, 3), np.uint8)
    wide[:, ::2] = item.image
    view = ModelInput(wide[:, ::2], item.q_prev.copy(), np.asfortranarray(item.m_prev))
    assert view.q_prev is not None
    view.q_prev.flags.writeable = False
    assert_same_bits(engine.infer([view])[0], engine.infer([item])[0])


@pytest.mark.parametrize("config", [SMALL_LITE, CARRIES_PRIOR])
def test_openvino_keeps_what_the_tracker_would(config: KIMNetConfig) -> None:
    """Maps in 8 bits as the tracker quantises them, bit for bit; smoothed heatmaps to the last digits."""
    batch = [make_input(config, 1, fresh=True), make_input(config, 2, fresh=False)]
    for output in open_engine(random_network(config), "cpu").infer(batch):
        assert output.kept is not None
        assert output.smooth is not None
        np.testing.assert_allclose(output.smooth, smoothed(output.m), rtol=0, atol=1e-6 * np.abs(output.m).max())
        for kept, maps in zip(output.kept, (output.q, output.carry), strict=True):
            expected = quantise(maps)
            for name in ("levels", "low", "step"):
                assert getattr(kept, name).tobytes() == getattr(expected, name).tobytes(), name


def test_a_flat_map_is_kept_as_it_is() -> None:
    """Where a map has one value alone, nothing is divided by zero."""
    network = random_network(SMALL_LITE)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    [output] = open_engine(network, "cpu").infer([make_input(SMALL_LITE, 1, fresh=False)])
    assert output.kept is not None
    for kept, maps in zip(output.kept, (output.q, output.carry), strict=True):
        np.testing.assert_array_equal(kept.maps(), maps)


def test_of_what_is_not_finite_an_engine_keeps_nothing(lite: KIMNet) -> None:
    """Weights that broke: the tracker then makes finite numbers of the maps itself."""
    item = make_input(SMALL_LITE, 1, fresh=False)
    assert item.q_prev is not None
    broken = replace(item, q_prev=np.full_like(item.q_prev, np.inf))
    [output] = open_engine(lite, "cpu").infer([broken])
    assert output.kept is None or np.isfinite(output.kept[1].maps()).all()


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_the_carry_may_differ_from_the_heatmaps(runtime: Literal["openvino", "torch"]) -> None:
    """Where the config hands the prior on, carry is its own array."""
    network = random_network(CARRIES_PRIOR)
    batch = [make_input(CARRIES_PRIOR, 1, fresh=True), make_input(CARRIES_PRIOR, 2, fresh=False)]
    for item, output in zip(batch, open_engine(network, "cpu", runtime).infer(batch), strict=True):
        assert_close(output, by_the_network(network, item))
        assert not np.array_equal(output.m, output.carry)


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_the_papers_network_runs(runtime: Literal["openvino", "torch"]) -> None:
    """A separate initialiser reads first frames only; both paths agree with the network called by hand."""
    network = random_network(SMALL_R50)
    batch = [make_input(SMALL_R50, seed, fresh) for seed, fresh in enumerate([False, True, False])]
    for item, output in zip(batch, open_engine(network, "cpu", runtime).infer(batch), strict=True):
        expected = by_the_network(network, item)
        assert_close(output, expected, TOLERANCE * max(1.0, float(np.abs(expected.m).max())))


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_an_engine_is_apart_from_its_network(runtime: Literal["openvino", "torch"]) -> None:
    """Training on after an engine was opened changes the engine's results by nothing."""
    network = random_network(CARRIES_PRIOR).train()
    item = make_input(CARRIES_PRIOR, 1, fresh=False)
    opened = open_engine(network, "cpu", runtime)
    [before] = opened.infer([item])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert network.training
    assert_same_bits(opened.infer([item])[0], before)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"image": np.zeros((64, 64, 3), np.uint8)}, r"image: expected uint8 \[128, 128, 3\], got uint8 \[64"),
        ({"image": np.zeros((128, 128, 3), np.float32)}, "image: expected uint8 .* got float32"),
        ({"q_prev": np.zeros((13, 32, 32), np.float16)}, "q_prev: expected float32 .* got float16"),
        ({"m_prev": np.zeros((13, 16, 16), np.float32)}, r"m_prev: expected float32 \[13, 32, 32\], got"),
    ],
)
def test_wrong_arrays_are_named(engine: Engine, broken: dict[str, np.ndarray], message: str) -> None:
    """An array of another kind or shape is refused before the device sees it."""
    good = make_input(SMALL_LITE, 1, fresh=False)
    with pytest.raises(ValueError, match=message):
        engine.infer([good, replace(good, **broken)])


def test_float32_is_float32_on_a_cpu_with_matrix_units(on_openvino: Engine) -> None:
    """No layer of the f32 engine runs in bfloat16, whatever OpenVINO would like best on this CPU."""
    assert isinstance(on_openvino, OpenVINOEngine)
    for request in (on_openvino._first, on_openvino._next):
        layers = request.compiled.get_runtime_model().get_ops()
        precisions = {layer.get_rt_info()["runtimePrecision"].astype(str) for layer in layers}
        assert "f32" in precisions
        assert not precisions & {"bf16", "f16"}


@pytest.mark.parametrize("runtime", ["openvino", "torch"])
def test_bfloat16_stays_near(lite: KIMNet, runtime: Literal["openvino", "torch"]) -> None:
    """bf16 gives float32 arrays that are close to those of f32."""
    item = make_input(SMALL_LITE, 8, fresh=False)
    [output] = open_engine(lite, "cpu", runtime, "bf16").infer([item])
    assert output.m.dtype == output.q.dtype == np.float32
    assert_close(output, by_the_network(lite, item), 0.05)


def test_the_cpu_gets_openvino_and_its_name(on_openvino: Engine, on_torch: Engine) -> None:
    """The runtime follows from the device; torch is there for the asking."""
    assert isinstance(on_openvino, OpenVINOEngine)
    assert isinstance(on_torch, TorchEngine)
    assert on_openvino.device == on_torch.device == "cpu"
    assert on_openvino.config == on_torch.config == SMALL_LITE


def test_openvino_does_not_run_on_cuda(lite: KIMNet) -> None:
    """A wish that cannot be met is refused, not reinterpreted."""
    with pytest.raises(ValueError, match="openvino runs on device cpu"):
        open_engine(lite, "cuda", "openvino")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_an_engine_error(lite: KIMNet) -> None:
    """CUDA asked for where there is none: the engine says so, and that waiting will not help."""
    with pytest.raises(EngineError, match="torch on cuda") as caught:
        open_engine(lite, "cuda")
    assert caught.value.sticky


def test_running_out_of_memory_is_not_sticky() -> None:
    """A batch too large for the device ends that batch, not the worker: the device is not even asked."""
    with pytest.raises(EngineError, match="torch on cuda: no room") as caught, device_errors("cuda"):
        raise torch.OutOfMemoryError("no room")
    assert not caught.value.sticky


def test_a_failure_on_the_cpu_is_not_sticky(lite: KIMNet, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next batch may well succeed, and does."""
    opened, item = TorchEngine(lite), make_input(SMALL_LITE, 1, fresh=True)

    def fail(*_: object) -> None:
        raise RuntimeError("no memory for a tensor")

    with monkeypatch.context() as patched:
        patched.setattr(opened._network, "encode", fail)
        with pytest.raises(EngineError, match="no memory") as caught:
            opened.infer([item])
    assert not caught.value.sticky
    assert_close(opened.infer([item])[0], by_the_network(lite, item))


def test_openvino_calls_nobody() -> None:
    """The package that reports OpenVINO's use over the network is not loaded."""
    assert "openvino" in sys.modules
    assert sys.modules.get("openvino_telemetry") is None


@needs_cuda
def test_cuda_agrees_with_the_cpu(lite: KIMNet, on_torch: Engine) -> None:
    """A mixed batch read at once on CUDA is what the CPU reads one by one, to the tolerance."""
    batch = mixed_batch(SMALL_LITE)
    for got, expected in zip(open_engine(lite, "cuda").infer(batch), on_torch.infer(batch), strict=True):
        assert_close(got, expected, 1e-3)


@needs_cuda
def test_a_batch_on_cuda_repeats_itself(lite: KIMNet) -> None:
    """The same batch twice gives the same bits."""
    opened, batch = open_engine(lite, "cuda"), mixed_batch(SMALL_LITE)
    for got, expected in zip(opened.infer(batch), opened.infer(batch), strict=True):
        assert_same_bits(got, expected)
