"""KIMNet on torch: batches on CUDA, frame by frame on the CPU."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from model.engines.base import EngineError, ModelInput, ModelOutput
from model.engines.inputs import check_inputs
from model.engines.signature import signature
from model.kimnet import KIMNet, Maps
from model.values import Array


class TorchEngine:
    """An Engine on torch. It works on a copy of the network.

    On the CPU each frame is read by itself, so that a frame's result does not depend on its batch, bit for
    bit. On CUDA a batch is read at once; results agree with those of single frames to about 1e-4.

    Args:
        network: what to run.
        device: "cpu" or "cuda".
        precision: "f32" is full float32, without TF32; "bf16" is autocast.

    Raises:
        EngineError: the network does not fit on the device, or there is no such device.
    """

    def __init__(
        self,
        network: KIMNet,
        device: Literal["cpu", "cuda"] = "cpu",
        precision: Literal["f32", "bf16"] = "f32",
    ) -> None:
        self.config = network.config
        self.device: str = device
        self.signature = signature("torch", torch.__version__, device, precision)
        self.parallel = 1
        self.precision = precision
        with _device_errors(device):
            own = copy.deepcopy(network).eval().requires_grad_(False)
            self._network = own.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """One output for each input, in order; see Engine."""
        check_inputs(self.config, inputs)
        batches = [[item] for item in inputs] if self.device == "cpu" else [inputs] if inputs else []
        with _device_errors(self.device), self._numerics():
            return [output for batch in batches for output in self._run(batch)]

    def _run(self, batch: list[ModelInput]) -> list[ModelOutput]:
        fresh = torch.tensor([item.fresh for item in batch], device=self.device)
        # [B, S, S, 3] in memory, seen as [B, 3, S, S]: this is channels_last already.
        images = self._tensor([item.image for item in batch]).permute(0, 3, 1, 2).float()
        encoded = self._network.encode(images, fresh)
        m, carry = torch.empty_like(encoded.q), torch.empty_like(encoded.q)  # [B, K, h, w]
        starting = [row for row, item in enumerate(batch) if item.fresh]
        if starting:
            _put(self._network.start(encoded.p[starting]), starting, m, carry)
        going_on = [row for row, item in enumerate(batch) if not item.fresh]
        if going_on:
            q_prev = self._tensor([item.q_prev for item in batch if item.q_prev is not None])
            m_prev = self._tensor([item.m_prev for item in batch if item.m_prev is not None])
            maps = self._network.recur(q_prev, encoded.k[going_on], encoded.g[going_on], m_prev)
            _put(maps, going_on, m, carry)
        carried = m if self.config.kmm_heat_in == "final" else carry
        return _outputs(m, encoded.q, carried, encoded.presence.float().sigmoid())

    def _tensor(self, arrays: list[Array]) -> Tensor:
        # np.stack copies: the caller's arrays may be read-only or change later.
        return torch.from_numpy(np.stack(arrays)).to(self.device)

    @contextmanager
    def _numerics(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            if self.device == "cuda":
                exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
                stack.enter_context(exact)
            if self.precision == "bf16":
                stack.enter_context(torch.autocast(self.device, torch.bfloat16))
            yield


def _put(maps: Maps, rows: list[int], m: Tensor, carry: Tensor) -> None:
    m[rows] = maps.m.to(m.dtype)
    carry[rows] = maps.carry.to(carry.dtype)


def _outputs(m: Tensor, q: Tensor, carry: Tensor, presence: Tensor) -> list[ModelOutput]:
    """Rows of [B, K, h, w] as arrays of their own: none keeps the batch alive."""
    m_rows, q_rows = _rows(m), _rows(q)
    carry_rows = m_rows if carry is m else _rows(carry)
    return [ModelOutput(*row) for row in zip(m_rows, q_rows, carry_rows, presence.tolist(), strict=True)]


def _rows(batch: Tensor) -> list[Array]:
    return [row.copy() for row in batch.float().contiguous().cpu().numpy()]


@contextmanager
def _device_errors(device: str) -> Iterator[None]:
    """Torch's errors as EngineError, sticky where the device does not answer any more."""
    try:
        yield
    except (RuntimeError, AssertionError) as error:  # torch without CUDA support raises AssertionError
        out_of_memory = isinstance(error, torch.OutOfMemoryError)
        sticky = device == "cuda" and not out_of_memory and not _answers(device)
        raise EngineError(f"torch on {device}: {error}", sticky=sticky) from error


def _answers(device: str) -> bool:
    """False where a small sum fails: a CUDA context that met an error fails every later call."""
    try:
        return float(torch.ones(2, device=device).sum()) == 2.0
    except (RuntimeError, AssertionError):
        return False
