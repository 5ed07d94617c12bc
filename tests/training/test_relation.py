"""A relation that starts from the head: W_r near the identity where every joint has its own blob."""

import numpy as np
import pytest
import torch

from model import kmm
from model.config import KIMNET_LITE, KIMNET_R50
from model.kimnet import KIMNet
from tests.support.blobs import blobs
from training.loop.relation import init_relation_from_head


def _with_passing_head() -> KIMNet:
    """A network whose first 13 feature channels are the joints' maps, and whose head reads them off."""
    torch.manual_seed(0)
    network = KIMNet(KIMNET_LITE).eval()
    state = network.state_dict()
    passing = torch.zeros(13, KIMNET_LITE.dim, 1, 1)
    passing[torch.arange(13), torch.arange(13)] = 3.0
    state["initialiser.weight"] = passing
    for key, value in (
        ("initialiser.bias", 0.5),
        ("jre.start_norm.running_mean", 0.5),
        ("jre.start_norm.running_var", 9.0),
        ("jre.start_norm.weight", 1.0),
        ("jre.start_norm.bias", 0.0),
    ):
        state[key] = torch.full((13,), value)
    network.load_state_dict(state)
    init_relation_from_head(network)
    return network


def test_queries_and_keys_are_the_joints_maps() -> None:
    """The head's scale and that of the norm of t = 1 cancel as they do in m_1: q and k are the blobs themselves."""
    network = _with_passing_head()
    peaks = blobs(np.random.default_rng(0).random((13, 2)) * 32, 32, 2.0).astype(np.float32)
    features = torch.zeros(1, KIMNET_LITE.dim, 32, 32)
    features[0, :13] = torch.from_numpy(peaks)
    with torch.inference_mode():
        query = network.to_query(features)
        torch.testing.assert_close(query, torch.from_numpy(peaks)[None], atol=1e-3, rtol=0)
        torch.testing.assert_close(network.to_key(features), query)


def test_every_joint_is_carried_by_its_own_map() -> None:
    """Blobs that lie apart give a W_r near the identity, moved by a cell or not."""
    places = np.stack([np.arange(13) % 4, np.arange(13) // 4], axis=1) * 8.0 + 3.0
    before, now = (torch.from_numpy(blobs(p, 32, 1.5))[None] for p in (places, places + np.array([1.0, 0.0])))
    weights = kmm.relation(before, now, 1.0, "linear")[0].numpy()
    assert np.diag(weights).min() > 0.9
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-4)


def test_a_network_without_such_a_head_is_refused() -> None:
    """The paper's network has a whole pose network for frame 1 and no head to copy."""
    with pytest.raises(ValueError, match="kimnet-r50"):
        init_relation_from_head(KIMNet(KIMNET_R50))
