"""What training may freeze of an encoder: a backbone, or its early part alone."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import nn


class Backbone(nn.Module, ABC):
    """A network whose weights come from somewhere; an encoder keeps it as `backbone`."""

    @abstractmethod
    def early_parts(self) -> Sequence[nn.Module]:
        """Everything up to stride 4, the dearest part of a training step on a CPU."""
