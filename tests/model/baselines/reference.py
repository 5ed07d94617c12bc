"""The methods that KIMNet is compared with, in float64 numpy, one frame at a time; only weights' names are shared.

Each takes features f [T, D, h, w], initial maps p [T, K, h, w] and brightness grey [T, 4, h, w] of a clip, and gives
maps [T, K, h, w].
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np

from model.config import KIMNetConfig
from tests.model import reference as kimnet
from tests.model.reference import Array, Weights, batch_norm, convolve

Method = Callable[[Array, Array, Array, Weights, KIMNetConfig], Array]


def under(w: Weights, prefix: str) -> Weights:
    """The weights below a module, without its name."""
    return {name.removeprefix(prefix): value for name, value in w.items() if name.startswith(prefix)}


def spatial(x: Array, w: Weights, name: str) -> Array:
    """Dense, or depthwise and pointwise, whichever the weights are."""
    if f"{name}.weight" in w:
        return convolve(x, w[f"{name}.weight"], w.get(f"{name}.bias"))
    planes = [convolve(c[None], d[None], None) for c, d in zip(x, w[f"{name}.0.weight"], strict=True)]
    return convolve(np.concatenate(planes), w[f"{name}.1.weight"], w.get(f"{name}.1.bias"))


def pointwise(x: Array, w: Weights, name: str) -> Array:
    """1x1 with bias."""
    return convolve(x, w[f"{name}.weight"], w[f"{name}.bias"])


def conv_bn(x: Array, w: Weights, name: str) -> Array:
    """1x1 and BN."""
    return batch_norm(pointwise(x, w, f"{name}.0"), w, f"{name}.1")


def relu(x: Array) -> Array:
    """The larger of x and 0."""
    return np.maximum(x, 0)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x), in a form that does not overflow."""
    return np.asarray((1 + np.tanh(x / 2)) / 2)


def pool(x: Array) -> Array:
    """2x2 maximum, odd edges dropped."""
    c, h, w = x.shape
    cut = x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2)
    return np.asarray(cut.max(axis=(2, 4)))


def frame_by_frame(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """m_t = p_t."""
    return p


def frame_by_frame_jre(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """m_t = JRE(p_t)."""
    return np.stack([kimnet.jre(one, w, config) for one in p])


def lstm_pm(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Convolutional LSTM over features, last maps and a centre map."""
    side = f.shape[-1]
    axis = np.arange(side) - (side - 1) / 2
    centre = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * (21 / 368 * side) ** 2))[None]
    maps: list[Array] = []
    h = c = np.zeros(0)
    for t, features in enumerate(f):
        x = np.concatenate([relu(conv_bn(features, w, "reduce")), maps[-1] if maps else p[0], centre])
        gates = spatial(x, w, "over_x") + w["bias"][0]
        if t:
            gates = gates + spatial(h, w, "over_h")
        g, i, forget, o = np.split(gates, 4)
        c = sigmoid(i) * np.tanh(g) + (sigmoid(forget) * c if t else 0)
        h = sigmoid(o) * np.tanh(c)
        maps.append(pose_reader(h, w))
    return np.stack(maps)


def pose_reader(x: Array, w: Weights) -> Array:
    """ConvNet3: convolutions with ReLU, then a 1x1."""
    layers = sorted({int(name.split(".")[2]) for name in w if name.startswith("read.layers.")})
    for layer in layers:
        x = relu(spatial(x, w, f"read.layers.{layer}"))
    return pointwise(x, w, "read.last")


def kernels(x: Array, w: Weights) -> Array:
    """Kernels [D, k, k] of a map [D, h, w]."""
    count = len({name.split(".")[2] for name in w if name.startswith("kernels.layers.")})
    for number in range(count):
        x = batch_norm(spatial(x, w, f"kernels.layers.{number}.0"), w, f"kernels.layers.{number}.1")
        if number == 0:
            x = x[:, 1:-1, 1:-1]
        if number < 3:
            x = pool(relu(x))
    return x


def propagate(m: Array, f_prev: Array, f: Array, w: Weights) -> Array:
    """Dynamic kernels of the last frame, laid over this one."""
    x = batch_norm(pointwise(np.concatenate([m, f_prev]), w, "join"), w, "norm")
    made = kernels(x, w)
    laid = np.concatenate([convolve(c[None], k[None, None], None) for c, k in zip(f, made, strict=True)])
    return pointwise(batch_norm(laid, w, "after"), w, "u")


def _dkd(decode: Callable[[Array], Array], f: Array, p: Array, w: Weights) -> Array:
    maps = [decode(p[0])]
    v = [conv_bn(one, w, "v") for one in f]
    for before, now in pairwise(v):
        maps.append(decode(propagate(maps[-1], before, now, under(w, "propagate."))))
    return np.stack(maps)


def dkd(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Dynamic kernels alone."""
    return _dkd(lambda x: x, f, p, w)


def kimnet_dkd(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Dynamic kernels and KIMNet's decoder."""
    return _dkd(lambda x: kimnet.jre(x, w, config), f, p, w)


def _jre_without_norm(x: Array, w: Weights, config: KIMNetConfig) -> Array:
    return kimnet.jre(x, w, replace(config, jre_bn_after=False))


def rpstn(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Dynamic kernels and a JRE between one shared norm."""
    maps = [batch_norm(_jre_without_norm(p[0], w, config), w, "norm_maps")]
    before = f[0]
    for features in f[1:]:
        now = batch_norm(pointwise(features, w, "v"), w, "norm")
        raw = batch_norm(propagate(maps[-1], before, now, under(w, "propagate.")), w, "norm_maps")
        maps.append(batch_norm(_jre_without_norm(raw, w, config), w, "norm_maps"))
        before = now
    return np.stack(maps)


def kimnet_jrpsp(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """RPSTN's kernels and KIMNet's decoder."""
    maps, before = [kimnet.jre(p[0], w, config, start=True)], f[0]
    for features in f[1:]:
        now = batch_norm(pointwise(features, w, "v"), w, "norm")
        raw = batch_norm(propagate(maps[-1], before, now, under(w, "propagate.")), w, "norm_maps")
        maps.append(kimnet.jre(raw, w, config))
        before = now
    return np.stack(maps)


def _prior(before: Array, now: Array, m: Array, w: Weights, config: KIMNetConfig, dim: int) -> Array:
    return kimnet.kmm(before, now, m, under(w, "relation."), replace(config, dim=dim))


def lstm_pm_kmm(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """ConvNet3 over the prior and the reduced features."""
    feat = [relu(conv_bn(one, w, "reduce")) for one in f]
    maps = [pose_reader(np.concatenate([p[0], feat[0]]), w)]
    for before, now in pairwise(feat):
        prior = _prior(before, now, maps[-1], w, config, 32)
        maps.append(pose_reader(np.concatenate([prior, now]), w))
    return np.stack(maps)


def _dkd_kmm(decode: Callable[[Array], Array], f: Array, w: Weights, config: KIMNetConfig, first: Array) -> Array:
    v, maps = [conv_bn(one, w, "v") for one in f], [first]
    for before, now in pairwise(v):
        prior = _prior(before, now, maps[-1], w, config, config.dim)
        joined = relu(conv_bn(np.concatenate([prior, now]), w, "join"))
        maps.append(decode(pointwise(joined, w, "u")))
    return np.stack(maps)


def dkd_kmm(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """The prior joined with the features."""
    return _dkd_kmm(lambda x: x, f, w, config, p[0])


def rpstn_kmm(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """The prior joined with the features, and RPSTN's JRE."""

    def norm(x: Array) -> Array:
        return batch_norm(x, w, "norm_maps")

    first = norm(_jre_without_norm(p[0], w, config))
    return _dkd_kmm(lambda x: norm(_jre_without_norm(norm(x), w, config)), f, w, config, first)


def flow(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """The last maps moved by optical flow."""
    maps = [kimnet.jre(p[0], w, config, start=True)]
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    for before, now, features in zip(grey, grey[1:], f[1:], strict=False):
        fine = solver.calc(unpacked(now), unpacked(before), np.zeros((*unpacked(now).shape, 2), np.float32))
        h, width = f.shape[-2:]
        coarse = fine.astype(np.float64).reshape(h, 2, width, 2, 2).mean(axis=(1, 3)) / 2
        prior = bilinear(maps[-1], coarse.transpose(2, 0, 1))
        maps.append(kimnet.jre(kimnet.fuse(prior, features, w, config), w, config))
    return np.stack(maps)


def unpacked(grey: Array) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Four values a cell to a picture of twice the size."""
    _, h, w = grey.shape
    return np.rint(grey.reshape(2, 2, h, w).transpose(2, 0, 3, 1).reshape(2 * h, 2 * w)).astype(np.uint8)


def tce(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """A window of five frames, aligned in both directions."""
    reduced = [relu(conv_bn(one, w, "reduce")) for one in f]
    window = [reduced[0]] * 4
    maps = []
    for features, now in zip(f, reduced, strict=True):
        total, weight = now, np.ones((1, *now.shape[1:]))
        for before in window:
            forth, back = offsets(now, before, w), offsets(before, now, w)
            apart = forth + bilinear(back, forth)
            trust = np.exp(-(apart**2).sum(axis=0, keepdims=True))
            total, weight = total + trust * bilinear(before, forth), weight + trust
        joined = np.concatenate([features, total / weight])
        maps.append(pointwise(relu(batch_norm(spatial(joined, w, "join.0"), w, "join.1")), w, "last"))
        window = [*window[1:], now]
    return np.stack(maps)


def offsets(now: Array, before: Array, w: Weights) -> Array:
    """[2, h, w], x and y."""
    return spatial(relu(spatial(np.concatenate([now, before]), w, "offset.0")), w, "offset.2")


def bilinear(maps: Array, offset: Array) -> Array:
    """Maps read at each cell plus an offset, 0 outside."""
    c, h, w = maps.shape
    padded = np.zeros((c, h + 2, w + 2))
    padded[:, 1:-1, 1:-1] = maps
    out = np.zeros_like(maps, dtype=np.float64)
    for y in range(h):
        for x in range(w):
            at_x, at_y = x + offset[0, y, x] + 1, y + offset[1, y, x] + 1
            x0, y0 = int(np.floor(at_x)), int(np.floor(at_y))
            for yy, wy in ((y0, y0 + 1 - at_y), (y0 + 1, at_y - y0)):
                for xx, wx in ((x0, x0 + 1 - at_x), (x0 + 1, at_x - x0)):
                    if 0 <= yy < h + 2 and 0 <= xx < w + 2:
                        out[:, y, x] += wy * wx * padded[:, yy, xx]
    return out


def kimnet_itself(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Eqs. 4 to 10."""
    return kimnet.run_clip(f, p[0], under(w, "head."), config)


def k_fpn(f: Array, p: Array, grey: Array, w: Weights, config: KIMNetConfig) -> Array:
    """Maps read, mixed with tracks that poles continue."""
    window, maps = [p[0]] * 6, [p[0]]
    for features in f[1:]:
        tracks = np.stack([soft_places(one).reshape(-1) for one in window])
        blobs = np.stack([blob(x, y, features.shape[1:]) for x, y in continued(tracks, w).reshape(-1, 2)])
        key = sigmoid(w["propose.weight"] @ features.mean(axis=(1, 2)) + w["propose.bias"])[0]
        maps.append(key * pointwise(features, w, "read") + (1 - key) * blobs)
        window = [*window[1:], maps[-1]]
    return np.stack(maps)


def soft_places(maps: Array) -> Array:
    """[K, 2], x and y as shares of the side."""
    places = []
    for one in maps:
        e = np.exp(20 * (one - one.max()))
        e = e / e.sum()
        h, width = one.shape
        places.append([(e.sum(axis=0) @ np.arange(width)) / width, (e.sum(axis=1) @ np.arange(h)) / h])
    return np.array(places)


def blob(x: float, y: float, shape: tuple[int, ...]) -> Array:
    """Height 1, a 32nd of the side wide."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    squared = (columns / shape[1] - x) ** 2 + (rows / shape[0] - y) ** 2
    return np.asarray(np.exp(-squared * 32**2 / 2))


def continued(tracks: Array, w: Weights) -> Array:
    """The next place of each of n tracks [6, n], by FISTA over poles."""
    atoms = [np.ones(7)]
    for turn in (np.cos, np.sin):
        for sign in (1, -1):
            atoms += [
                (sign * abs(rho)) ** np.arange(7.0) * turn(theta * np.arange(7))
                for rho, theta in zip(w["poles.rho"], w["poles.theta"], strict=True)
            ]
    d = np.stack(atoms, axis=1)
    d = d / np.maximum(np.linalg.norm(d[:6], axis=0), 1e-6)
    step = 1 / np.linalg.norm(d[:6].T @ d[:6])
    code = ahead = np.zeros((d.shape[1], tracks.shape[1]))
    momentum = 1.0
    for _ in range(20):
        moved = ahead - step * d[:6].T @ (d[:6] @ ahead - tracks)
        new = np.sign(moved) * np.maximum(np.abs(moved) - 0.01 * step, 0)
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * (new - code)
        code, momentum = new, following
    return np.asarray(d[6] @ code)


METHODS: Mapping[str, Method] = {
    "frame-by-frame": frame_by_frame,
    "frame-by-frame-jre": frame_by_frame_jre,
    "flow": flow,
    "lstm-pm": lstm_pm,
    "dkd": dkd,
    "rpstn": rpstn,
    "tce": tce,
    "k-fpn": k_fpn,
    "kimnet": kimnet_itself,
    "lstm-pm-kmm": lstm_pm_kmm,
    "dkd-kmm": dkd_kmm,
    "rpstn-kmm": rpstn_kmm,
    "kimnet-dkd": kimnet_dkd,
    "kimnet-jrpsp": kimnet_jrpsp,
}
