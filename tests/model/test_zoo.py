"""The zoo: what was saved is what is loaded, and what does not fit is listed."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model import cost, weights_file, zoo
from model.config import KIMNET_LITE
from model.kimnet import KIMNet
from tests.support.weights import PROVENANCE, random_network

FILE = "kimnet-lite.safetensors"


@pytest.fixture(scope="module")
def network() -> KIMNet:
    """The network behind `lite_weights`."""
    return random_network(KIMNET_LITE, seed=0)


@pytest.fixture
def folder(lite_weights: Path, tmp_path: Path) -> Path:
    """A copy of the weights folder that a test may break."""
    return Path(shutil.copytree(lite_weights, tmp_path / "weights"))


def rewrite(folder: Path, metadata: dict[str, str] | None = None, **changes: torch.Tensor | None) -> None:
    """Save the weights again with tensors replaced, or left out where None."""
    path = folder / FILE
    tensors = {**load_file(path), **{key.replace("__", "."): value for key, value in changes.items()}}
    kept = {key: value for key, value in tensors.items() if value is not None}
    facts = {"config": "kimnet-lite", "version": "0.0-test0", "skeleton": "kinepose13"}
    save_file(kept, path, {**facts, **(metadata or {})})


def edit_card(folder: Path, **changes: Any) -> None:
    """Change fields of the card, or leave them out where None."""
    path = folder / "kimnet-lite.json"
    fields = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in fields.items() if value is not None}))


def test_what_was_saved_is_loaded(lite_weights: Path, network: KIMNet) -> None:
    """Every tensor comes back to float16 accuracy, as float32, in eval mode."""
    loaded, _ = weights_file.load("kimnet-lite", lite_weights)
    assert not loaded.training
    expected = network.state_dict()
    for key, value in loaded.state_dict().items():
        assert value.dtype == expected[key].dtype
        torch.testing.assert_close(value, expected[key], rtol=1e-3, atol=1e-6)


def test_a_loaded_network_says_what_the_saved_one_says(lite_weights: Path, network: KIMNet) -> None:
    """Half-precision storage moves heatmaps by little."""
    loaded, _ = weights_file.load("kimnet-lite", lite_weights)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    with torch.inference_mode():
        got, expected = (n.start(n.encode(image).p).m for n in (loaded, network))
    torch.testing.assert_close(got, expected, rtol=0, atol=2e-2)


def test_the_file_is_half_precision(lite_weights: Path) -> None:
    """All but running statistics and counters are stored as float16, and the file stays under 12 MB."""
    for key, value in load_file(lite_weights / FILE).items():
        expected = torch.float32 if key.endswith(("running_mean", "running_var")) else torch.float16
        assert value.dtype == (torch.int64 if key.endswith("num_batches_tracked") else expected), key
    assert (lite_weights / FILE).stat().st_size < 12_000_000


def test_numbers_beyond_half_precision_survive(tmp_path: Path) -> None:
    """A variance of a million and a weight of a hundred thousand are loaded as they were."""
    network = random_network(KIMNET_LITE, seed=5)
    norm = network.jre.norm
    assert isinstance(norm, torch.nn.BatchNorm2d)
    assert norm.running_var is not None
    norm.running_var.fill_(1e6)
    with torch.no_grad():
        norm.weight.fill_(1e5)
    weights_file.save(network, tmp_path / FILE, PROVENANCE)
    loaded = weights_file.load("kimnet-lite", tmp_path)[0].state_dict()
    assert set(loaded["jre.norm.running_var"].tolist()) == {1e6}
    assert set(loaded["jre.norm.weight"].tolist()) == {1e5}


def test_saving_twice_gives_the_same_file(tmp_path: Path, network: KIMNet) -> None:
    """The digest of a network depends on its weights alone."""
    first = weights_file.save(network, tmp_path / "a" / FILE, PROVENANCE)
    assert weights_file.save(network, tmp_path / "b" / FILE, PROVENANCE) == first


def test_saving_what_was_loaded_gives_the_same_file(lite_weights: Path, tmp_path: Path) -> None:
    """A card can be written anew, with other measurements, without new weights: the digest stays."""
    loaded, card = weights_file.load("kimnet-lite", lite_weights)
    provenance = replace(PROVENANCE, version=card.version, notes="Measured again.")
    assert weights_file.save(loaded, tmp_path / FILE, provenance).sha256 == card.sha256


def test_a_network_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    """A run that diverged leaves no weights behind."""
    network = random_network(KIMNET_LITE)
    with torch.no_grad():
        network.fusion.fine.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"fusion\.fine\.weight: .* not finite"):
        weights_file.save(network, tmp_path / FILE, PROVENANCE)
    assert not (tmp_path / FILE).exists()


def test_a_file_bears_its_models_name(tmp_path: Path, network: KIMNet) -> None:
    """Weights are found by name, so they are saved under it."""
    with pytest.raises(ValueError, match=r"belong in kimnet-lite\.safetensors, got best\.safetensors"):
        weights_file.save(network, tmp_path / "best.safetensors", PROVENANCE)


def test_the_card_is_that_of_the_file(lite_weights: Path) -> None:
    """The digest is that of the file, costs are those of the network, the rest is what was given."""
    card = zoo.card("kimnet-lite", lite_weights)
    assert card.sha256 == hashlib.sha256((lite_weights / FILE).read_bytes()).hexdigest()
    assert (card.name, card.skeleton, card.input_size) == ("kimnet-lite", "kinepose13", 192)
    assert (card.licence, card.pck) == (PROVENANCE.licence, PROVENANCE.pck)
    assert weights_file.load("kimnet-lite", lite_weights)[1] == card


def test_the_served_model_is_light(lite_weights: Path) -> None:
    """At most 0.8 GFLOP a frame and 4 M parameters."""
    card = zoo.card("kimnet-lite", lite_weights)
    assert 0.4 < card.gflop <= 0.8
    assert 1_000_000 < card.parameters <= 4_000_000


class AsItIs(torch.nn.Module):
    """In place of a JRE: maps stay as they are."""

    def forward(self, maps: Tensor, start: bool = False) -> Tensor:
        return maps


def test_a_multiply_add_is_two_flop(network: KIMNet) -> None:
    """The count of one 1x1 convolution, by hand, is what leaving it out takes off."""
    before = cost.gflop(network)
    fine = network.fusion.fine
    network.fusion.fine = torch.nn.Identity()  # type: ignore[assignment]
    network.jre = AsItIs()  # type: ignore[assignment]
    try:
        without = cost.gflop(network)
    finally:
        network.fusion.fine = fine
        network.jre = random_network(KIMNET_LITE, seed=0).jre
    cells, joints, dim = 48 * 48, 13, 64
    jre = 2 * cells * joints * joints * 4  # G, S, A G(x) and W: K x K multiply-adds a cell each
    assert (before - without) * 1e9 == pytest.approx(2 * cells * dim * joints + jre)


def test_names_are_those_with_weights(lite_weights: Path, tmp_path: Path) -> None:
    """A model is named where its weights are; other files are no models."""
    assert "kimnet-lite" in zoo.names(lite_weights)
    (tmp_path / "stranger.safetensors").write_bytes(b"")
    assert "stranger" not in zoo.names(tmp_path)


@pytest.mark.parametrize("name", ["kimnet-xxl", "../weights/kimnet-lite", "", "kimnet-r50"])
def test_an_unknown_model_says_what_there_is(
    name: str, lite_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name without weights here, or with a path in it, is UnknownModel."""
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path)
    with pytest.raises(zoo.UnknownModel, match="there are: kimnet-lite"):
        weights_file.load(name, lite_weights)


def test_a_given_folder_comes_before_the_bundled_one(
    lite_weights: Path, tmp_path: Path, network: KIMNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One's own weights of a name replace those of the package, which serve otherwise."""
    bundled = weights_file.save(random_network(KIMNET_LITE, seed=9), tmp_path / FILE, PROVENANCE)
    monkeypatch.setattr(zoo, "BUNDLED", tmp_path)
    assert zoo.card("kimnet-lite") == bundled
    assert zoo.card("kimnet-lite", tmp_path / "empty") == bundled
    assert zoo.card("kimnet-lite", lite_weights).sha256 != bundled.sha256


def test_what_does_not_fit_is_listed(folder: Path) -> None:
    """Missing, unexpected and misshapen tensors are all in the one message."""
    rewrite(folder, jre__g__bias=None, stray=torch.zeros(1), jre__g__weight=torch.zeros(14, 13, 1, 1))
    with pytest.raises(zoo.BadWeights) as caught:
        weights_file.load("kimnet-lite", folder)
    message = str(caught.value)
    assert "missing jre.g.bias" in message
    assert "unexpected stray" in message
    assert "jre.g.weight: expected [13, 13, 1, 1], got [14, 13, 1, 1]" in message


def test_weights_that_are_not_finite_are_refused(folder: Path) -> None:
    """A NaN among the weights would poison every session."""
    rewrite(folder, jre__g__bias=torch.full((13,), torch.nan))
    with pytest.raises(zoo.BadWeights, match=r"jre\.g\.bias: not finite"):
        weights_file.load("kimnet-lite", folder)


@pytest.mark.parametrize("keep", [0, 5, 100, 5000, -10])
def test_a_broken_file_is_bad_weights(folder: Path, keep: int) -> None:
    """A file broken off anywhere is refused with its name."""
    path = folder / FILE
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(zoo.BadWeights, match="kimnet-lite"):
        weights_file.load("kimnet-lite", folder)


@pytest.mark.parametrize("key", ["config", "skeleton", "version"])
def test_weights_of_another_make_are_refused(folder: Path, key: str) -> None:
    """The file says itself which config, skeleton and version it is of; all have to match."""
    rewrite(folder, metadata={key: "other"})
    with pytest.raises(zoo.BadWeights, match=rf"{key}.*other"):
        zoo.card("kimnet-lite", folder)


def test_weights_need_their_card(folder: Path) -> None:
    """Without its card no one knows what the weights were made of: they are not served."""
    (folder / "kimnet-lite.json").unlink()
    with pytest.raises(zoo.BadWeights, match="no usable model card"):
        weights_file.load("kimnet-lite", folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licence": None}, "missing licence"),
        ({"colour": "blue"}, "unknown colour"),
        ({"gflop": "1.2"}, "gflop is str"),
        ({"name": "kimnet-r50"}, "name in the card"),
    ],
)
def test_a_card_with_wrong_fields_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    """A field that is missing, unknown, of another type or of another model is named."""
    edit_card(folder, **changes)
    with pytest.raises(zoo.BadWeights, match=message):
        zoo.card("kimnet-lite", folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_a_card_that_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    """So is a card that cannot be read at all."""
    (folder / "kimnet-lite.json").write_text(text)
    with pytest.raises(zoo.BadWeights, match="no usable model card"):
        zoo.card("kimnet-lite", folder)
