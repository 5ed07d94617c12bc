"""OpenVINO graphs in a file beside the weights: read without torch, and without a second copy of the weights.

NAME.openvino.zip
    first.xml, ...  OpenVINO IR, a graph each; offsets of its constants count in the buffer that `_constants` lays out
    constants.bin   what is no weight: shapes, small numbers, and products of weights that OpenVINO made (folded norms)

The buffer is every floating tensor of NAME.safetensors as float32, by name, and then constants.bin, each begun on a
multiple of 64 bytes. So a graph that is read is the graph that was written, to the last bit.
"""

import hashlib
import io
import tempfile
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import safe_open

from model.engines.openvino_runtime import ov
from model.values import Array
from model.zoo import BadGraphs, graphs_path

_CONSTANTS = "constants.bin"
_ALIGNMENT = 64
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member: the same graphs give the same file."""


def read_graphs(weights: Path, facts: Mapping[str, str], weights_sha256: str) -> dict[str, ov.Model]:
    """The graphs beside weights.

    Args:
        weights: NAME.safetensors.
        facts: what the card's file says of them (`zoo.graph_facts`).
        weights_sha256: digest of the weights.

    Raises:
        BadGraphs: the file is missing, or it is not the one that the card names, or that is of other weights.
    """
    path = graphs_path(weights)
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise BadGraphs(f"{path.name}: {error.strerror}, and the card of {weights.name} names it") from error
    if facts.get("weights_sha256") != weights_sha256:
        raise BadGraphs(f"{path.name}: made of weights {facts.get('weights_sha256')}, got {weights_sha256}")
    digest = hashlib.sha256(blob).hexdigest()
    if facts.get("sha256") != digest:
        raise BadGraphs(f"{path.name}: expected sha256 {facts.get('sha256')}, got {digest}")
    return _unpacked(path, blob, _tensors(weights))


def write_graphs(weights: Path, graphs: Mapping[str, ov.Model]) -> dict[str, str]:
    """Write graphs beside the weights that they are of; returns what the card has to say of them."""
    tensors = _tensors(weights)
    known = {array.tobytes(): offset for array, offset in zip(tensors, _offsets(tensors), strict=True)}
    own = _OwnConstants(_end(tensors))
    members = {f"{name}.xml": _placed(graph, known, own) for name, graph in graphs.items()}
    blob = _zipped({**members, _CONSTANTS: bytes(own.blob)})
    graphs_path(weights).write_bytes(blob)
    return {
        "openvino": str(ov.get_version()),
        "sha256": hashlib.sha256(blob).hexdigest(),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
    }


def _unpacked(path: Path, blob: bytes, tensors: list[Array]) -> dict[str, ov.Model]:
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        buffer = _constants(tensors, members.pop(_CONSTANTS))
        return {name.removesuffix(".xml"): _graph(xml, buffer) for name, xml in members.items()}
    except (zipfile.BadZipFile, KeyError, RuntimeError, UnicodeDecodeError) as error:
        raise BadGraphs(f"{path.name}: {error}") from error


def _graph(xml: bytes, buffer: ov.Tensor) -> ov.Model:
    graph = ov.Core().read_model(xml.decode(), buffer)
    for operation in graph.get_ops():
        if operation.get_type_name() == "Divide":
            # The converter marks divisions so, and IR forgets it. Without it OpenVINO multiplies by the inverse, which
            # is another number in the last bit.
            operation.get_rt_info()["nonconvertable_divide_0"] = True
    return graph


def _tensors(weights: Path) -> list[Array]:
    """Floating tensors of the file, by name, as float32."""
    with safe_open(weights, framework="numpy") as opened:
        found = [opened.get_tensor(key) for key in sorted(opened.keys())]
    return [np.asarray(tensor, np.float32) for tensor in found if np.issubdtype(tensor.dtype, np.floating)]


def _constants(tensors: list[Array], own: bytes) -> ov.Tensor:
    """The buffer of all constants. Its memory is OpenVINO's: graphs and what is compiled of them hold it."""
    begin = _end(tensors)
    buffer = ov.Tensor(ov.Type.u8, ov.Shape([begin + len(own)]))
    view = buffer.data
    for tensor, offset in zip(tensors, _offsets(tensors), strict=True):
        view[offset : offset + tensor.nbytes] = tensor.reshape(-1).view(np.uint8)
    view[begin:] = np.frombuffer(own, np.uint8)
    return buffer


def _offsets(tensors: list[Array]) -> list[int]:
    sizes = [_aligned(tensor.nbytes) for tensor in tensors]
    return [sum(sizes[:index]) for index in range(len(sizes))]


def _end(tensors: list[Array]) -> int:
    return sum(_aligned(tensor.nbytes) for tensor in tensors)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _OwnConstants:
    """Constants that are no weight, each once. `offset` counts from `begin`, where the weights end."""

    def __init__(self, begin: int) -> None:
        self.blob = bytearray()
        self._begin = begin
        self._known: dict[bytes, int] = {}

    def offset(self, content: bytes) -> int:
        """Where these bytes are, from now on."""
        if content not in self._known:
            self._known[content] = self._begin + len(self.blob)
            self.blob += content.ljust(_aligned(len(content)), b"\0")
        return self._known[content]


def _placed(graph: ov.Model, weights: Mapping[bytes, int], own: _OwnConstants) -> bytes:
    """The graph as IR whose constants lie in the buffer."""
    with tempfile.TemporaryDirectory() as folder:
        xml, data = Path(folder, "graph.xml"), Path(folder, "graph.bin")
        ov.serialize(graph, xml, data)
        root, blob = ET.parse(xml).getroot(), data.read_bytes()
    for layer in root.iter("layer"):
        _name_by_place(layer)
        constant = layer.find("data") if layer.get("type") == "Const" else None
        if constant is not None:
            begin, size = (int(constant.attrib[key]) for key in ("offset", "size"))
            content = blob[begin : begin + size]
            constant.set("offset", str(weights[content] if content in weights else own.offset(content)))
    for info in root.findall("rt_info"):
        root.remove(info)
    root.set("name", "")
    ET.indent(root, " ")
    return ET.tostring(root)


def _name_by_place(layer: ET.Element) -> None:
    """Names come from counters of the process that wrote the graph, and nothing reads them: the place says as much."""
    layer.set("name", f"{layer.attrib['type']}_{layer.attrib['id']}")
    for port in layer.iter("port"):
        port.attrib.pop("names", None)


def _zipped(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()
