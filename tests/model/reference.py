"""KIMNet after its encoder, written out from the paper's equations in float64 numpy, one frame at a time.

Nothing here is shared with the package: convolutions are sums over windows, Conv_g is one convolution over the
concatenation [m^p; f], and the relation is filled in pair by pair. Only the names of the weights are taken from it.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from model.config import KIMNetConfig

Array = npt.NDArray[np.float64]
Weights = Mapping[str, Array]


def run_clip(features: Array, first: Array | None, w: Weights, config: KIMNetConfig) -> Array:
    """Heatmaps m_1..m_T [T, K, h, w].

    Args:
        features: f_1..f_T, [T, D, h, w].
        first: m^p_1 [K, h, w] of an initialiser of its own; None where the config says head or zeros.
        w: weights of the network by name.
        config: its switches.
    """
    fine = first_maps(features[0], first, w, config)
    m = jre(fine, w, config, start=True)
    results, carried = [m], {"final": m, "fine": fine, "prior": fine}[config.kmm_heat_in]
    for previous, current in pairwise(features):
        prior = kmm(previous, current, carried, w, config)
        fine = fuse(prior, current, w, config)
        m = jre(fine, w, config)
        results.append(m)
        carried = {"final": m, "fine": fine, "prior": prior}[config.kmm_heat_in]
    return np.stack(results)


def first_maps(f: Array, first: Array | None, w: Weights, config: KIMNetConfig) -> Array:
    """m^p_1 [K, h, w]."""
    if first is not None:
        return first
    if config.initialiser == "zeros":
        return np.zeros((config.joints, *f.shape[1:]))
    return convolve(f, w["initialiser.weight"], w["initialiser.bias"])


def kmm(previous: Array, current: Array, m: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Eqs. 6-10: prior of the current frame [K, h, w] from features of both frames and the previous maps."""
    q = m if config.heatmap_relation else project(previous, w, "to_query", config)
    k = first_estimate(current, w, config) if config.heatmap_relation else project(current, w, "to_key", config)
    joints, cells = config.joints, m.shape[1] * m.shape[2]
    d = {"hw": cells, "joints": joints, "dim": config.dim, "none": 1}[config.kmm_scale]
    o = np.empty((joints, joints))
    for j in range(joints):  # of the current frame
        for i in range(joints):  # of the previous frame
            o[j, i] = np.sum(k[j] * q[i]) / np.sqrt(d)
    prior = np.zeros_like(m)
    for j in range(joints):
        row = np.exp(o[j] - o[j].max()) if config.kmm_norm == "softmax" else o[j]
        total = max(row.sum(), 1e-6)
        for i in range(joints):
            prior[j] += row[i] / total * m[i]
    return prior + m if config.residual else prior


def first_estimate(f: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Table V, Heatmap: what stands for m_{t+1} before it is known, decoded as m_1 is."""
    head = "initialiser" if config.initialiser == "head" else "estimate"
    return jre(convolve(f, w[f"{head}.weight"], w[f"{head}.bias"]), w, config, start=True)


def project(f: Array, w: Weights, name: str, config: KIMNetConfig) -> Array:
    """Eq. 6: s(W * f), [K, h, w]."""
    x = convolve(f, w[f"{name}.conv.weight"], w[f"{name}.conv.bias"])
    if config.kmm_act == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-x)))
    if config.kmm_act == "bn_relu":
        x = batch_norm(x, w, f"{name}.act.0")
    return x if config.kmm_act == "none" else np.maximum(x, 0)


def fuse(prior: Array, f: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Eq. 4: Conv_d(Conv_g([m^p; f])), [K, h, w]."""
    joined = np.concatenate([prior, f])
    if config.separable:
        depthwise = _both_halves(w, "conv.0.weight", axis=0)
        joined = np.concatenate([convolve(c[None], d[None], None) for c, d in zip(joined, depthwise, strict=True)])
        coarse = convolve(joined, _both_halves(w, "conv.1.weight"), w["fusion.over_features.conv.1.bias"])
    else:
        coarse = convolve(joined, _both_halves(w, "conv.weight"), w["fusion.over_features.conv.bias"])
    if config.fuse_act == "bn_relu":
        coarse = np.maximum(batch_norm(coarse, w, "fusion.norm"), 0)
    return convolve(coarse, w["fusion.fine.weight"], w["fusion.fine.bias"])


def _both_halves(w: Weights, name: str, axis: int = 1) -> Array:
    """The kernel of Conv_g over [m^p; f], put together from its two halves."""
    return np.concatenate([w[f"fusion.over_prior.{name}"], w[f"fusion.over_features.{name}"]], axis=axis)


def jre(x: Array, w: Weights, config: KIMNetConfig, start: bool = False) -> Array:
    """Eq. 5, RPSTN's decoder: [K, h, w] to [K, h, w]; `start` at t = 1."""
    joints, h, width = x.shape
    s = np.array([[np.sum(a * b) for b in x] for a in x])
    s = s / np.sqrt(h * width) if config.jre_scale == "hw" else s
    axis = 1 if config.jre_softmax_dim == "last" else 0
    e = np.exp(s - s.max(axis=axis, keepdims=True))
    attention = e / e.sum(axis=axis, keepdims=True)
    g = convolve(x, w["jre.g.weight"], w["jre.g.bias"])
    y = np.stack([sum(a * plane for a, plane in zip(row, g, strict=True)) for row in attention])
    if config.jre_layout == "rpstn":
        # Pixel by pixel all joints, read back as joint by joint all pixels.
        y = np.array([y[j, r, c] for r in range(h) for c in range(width) for j in range(joints)])
        y = y.reshape(joints, h, width)
    corrected = x + batch_norm(convolve(y, w["jre.w.0.weight"], w["jre.w.0.bias"]), w, "jre.w.1")
    last = "jre.start_norm" if start and config.jre_own_start_norm else "jre.norm"
    return batch_norm(corrected, w, last) if config.jre_bn_after else corrected


def convolve(x: Array, kernel: Array, bias: Array | None) -> Array:
    """Stride 1, zeros outside: [C, h, w] by [O, C, n, n] to [O, h, w]."""
    n, (h, w) = kernel.shape[-1], x.shape[1:]
    padded = np.pad(x, ((0, 0), (n // 2, n // 2), (n // 2, n // 2)))
    out = np.zeros((len(kernel), h, w)) if bias is None else np.tile(bias[:, None, None], (1, h, w))
    for dy in range(n):
        for dx in range(n):
            out = out + np.tensordot(kernel[:, :, dy, dx], padded[:, dy : dy + h, dx : dx + w], axes=1)
    return np.asarray(out)


def batch_norm(x: Array, w: Weights, name: str) -> Array:
    """Normalisation by stored statistics, [C, h, w]."""
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    scale = w[f"{name}.weight"] / np.sqrt(var + 1e-5)
    return np.asarray((x - mean[:, None, None]) * scale[:, None, None] + w[f"{name}.bias"][:, None, None])
