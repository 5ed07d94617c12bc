"""The model that a server serves: loaded once, onto its device."""

from dataclasses import dataclass

from model import weights_file
from model.cards import ModelCard
from model.engines.choose import open_engine
from model.skeletons import Skeleton
from model.tracker import Tracker
from service.config import Settings
from service.contract.messages import ModelInfo
from service.inference.device_loop import Stepper


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model: its card, its skeleton, and what computes it."""

    card: ModelCard
    skeleton: Skeleton
    stepper: Stepper

    @property
    def info(self) -> ModelInfo:
        """What results and sessions say of it."""
        return ModelInfo(self.card.name, self.card.version, self.card.sha256)


def load_model(settings: Settings) -> LoadedModel:
    """Load the model that the settings name. Blocks for seconds.

    Raises:
        zoo.UnknownModel, zoo.BadWeights: there is no such model, or it is broken.
        ValueError: the settings ask for a device or runtime that is not there.
    """
    network, card = weights_file.load(settings.model, settings.weights_dir)
    engine = open_engine(network, settings.device, settings.runtime, settings.precision)
    return LoadedModel(card, network.config.skeleton, Tracker(engine, card.sha256[:16]))
