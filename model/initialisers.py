"""Where the maps of a session's first frame come from: a head on the features, nothing, or a pose network P."""

from torch import Tensor, nn

from model.config import KIMNetConfig
from model.encoders.build import build_initialiser


def make_initialiser(config: KIMNetConfig) -> nn.Module:
    """A 1x1 convolution, a placeholder for zeros, or a whole network."""
    if config.initialiser == "head":
        return nn.Conv2d(config.dim, config.joints, 1)
    if config.initialiser == "zeros":
        return nn.Identity()
    return build_initialiser(config.initialiser, config.joints)


def initial_maps(
    config: KIMNetConfig, initialiser: nn.Module, images: Tensor, features: Tensor, fresh: Tensor | None
) -> Tensor:
    """Raw maps m^p_1 [B, K, h, w].

    Args:
        images: [B, 3, S, S]; features: of these, [B, D, h, w].
        fresh: bool [B], rows that start a session (None: all). A network P runs on these alone; the others get zeros.
    """
    if config.initialiser == "head":
        head: Tensor = initialiser(features)
        return head
    if config.initialiser != "zeros" and fresh is None:
        whole: Tensor = initialiser(images)
        return whole
    p = features.new_zeros((features.shape[0], config.joints, *features.shape[2:]))
    if config.initialiser == "zeros" or fresh is None or not bool(fresh.any()):
        return p
    return p.index_put((fresh,), initialiser(images[fresh]).to(p.dtype))
