"""OpenVINO graphs beside weights: what they compute is what the network in torch converts to, bit for bit."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from model import weights_file, zoo
from model.engines.openvino_convert import convert_kimnet
from model.engines.openvino_engine import OpenVINOEngine
from model.graph_file import read_graphs
from model.publish import add_graphs
from tests.model.test_engines import assert_same_bits, make_input
from tests.support.weights import PROVENANCE, save_random_lite

LITE = "kimnet-lite"
MODELS = zoo.names()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random kimnet-lite and its graphs."""
    folder = save_random_lite(tmp_path_factory.mktemp("weights"))
    add_graphs(folder / f"{LITE}.safetensors")
    return folder


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(published, tmp_path / "weights"))


def contents(path: Path) -> dict[str, bytes]:
    """Members of a file of graphs."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read(folder: Path) -> object:
    """The graphs of the kimnet-lite in a folder, as a server reads them."""
    path = zoo.path_of(LITE, folder)
    return read_graphs(path, zoo.graph_facts(path), zoo.card(LITE, folder).sha256)


@pytest.mark.parametrize("name", MODELS)
def test_the_graphs_of_the_package_are_a_fresh_export(name: str, tmp_path: Path) -> None:
    """Whoever exports the package's weights anew gets the file that is in the repository."""
    bundled = zoo.path_of(name, None)
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled.with_suffix(suffix), tmp_path)
    add_graphs(tmp_path / bundled.name)
    assert contents(zoo.graphs_path(tmp_path / bundled.name)) == contents(zoo.graphs_path(bundled))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "continuing"])
def test_graphs_that_were_read_give_the_bits_of_the_converted_network(name: str, fresh: bool) -> None:
    """The served weights: out of the file, and through torch."""
    network, card = weights_file.load(name)
    path = zoo.path_of(name, None)
    read_back = read_graphs(path, zoo.graph_facts(path), card.sha256)
    item = make_input(network.config, 5, fresh)
    graphs = [convert_kimnet(network), read_back]
    expected, got = (OpenVINOEngine(network.config, found).infer([item])[0] for found in graphs)
    assert_same_bits(got, expected)


def test_weights_are_not_stored_twice(folder: Path) -> None:
    """The graphs are a fraction of the weights that they point into."""
    path = folder / f"{LITE}.safetensors"
    assert zoo.graphs_path(path).stat().st_size < 0.25 * path.stat().st_size


def test_graphs_that_are_missing_are_told(folder: Path) -> None:
    """The card names them, so they are part of the model."""
    zoo.graphs_path(folder / f"{LITE}.safetensors").unlink()
    with pytest.raises(zoo.BadGraphs, match="No such file"):
        read(folder)


@pytest.mark.parametrize("change", [b"", b"x"], ids=["shorter", "longer"])
def test_graphs_that_are_not_those_of_the_card_are_refused(folder: Path, change: bytes) -> None:
    """One byte more or less, and they are not run."""
    path = zoo.graphs_path(folder / f"{LITE}.safetensors")
    path.write_bytes(path.read_bytes()[: -1 if not change else None] + change)
    with pytest.raises(zoo.BadGraphs, match="expected sha256"):
        read(folder)


def test_graphs_of_other_weights_are_refused(folder: Path, tmp_path: Path) -> None:
    """Weights that were exchanged, beside a card that fits them as well, are noticed."""
    network, _ = weights_file.load(LITE, folder)
    network.jre.g.weight.requires_grad_(False).add_(1.0)
    version = zoo.card(LITE, folder).version
    weights_file.save(network, tmp_path / f"{LITE}.safetensors", replace(PROVENANCE, version=version))
    shutil.copy(tmp_path / f"{LITE}.safetensors", folder)
    with pytest.raises(zoo.BadGraphs, match="made of weights"):
        read(folder)
