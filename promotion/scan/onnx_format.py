"""ONNX: a graph of operators, which cannot run code as long as every operator is a standard one and no data is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "onnx"
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
LARGEST_BYTES = 2 * 1024**3 - 1  # protobuf's own limit
DEEPEST = 20


def looks_like(base: str, head: bytes) -> bool:
    """By its name, or by the first field of a ModelProto (ir_version, a small integer)."""
    return base.endswith(".onnx") or (len(head) > 4 and head[0] == 0x08 and 1 <= head[1] <= 20 and head[2] in (0x12, 0x1A, 0x3A))


def problem(file: Path, head: bytes) -> tuple[str, str] | None:
    """Why the model is refused. Parses the protobuf and nothing more."""
    import onnx
    from google.protobuf.message import DecodeError

    if file.stat().st_size > LARGEST_BYTES:
        return "too_large", "The model is larger than ONNX files can be."
    model = onnx.ModelProto()
    try:
        model.ParseFromString(file.read_bytes())
    except DecodeError:
        return "not_onnx", "The file is no ONNX model."
    if not model.graph.node or not model.opset_import:
        return "not_onnx", "The file holds no ONNX graph."
    if _unknown(model):
        return "trailing_data", "The file holds data that is no part of an ONNX model."
    domains = {opset.domain for opset in model.opset_import} | {function.domain for function in model.functions}
    graphs = [model.graph, *model.functions]
    for node in (node for graph in graphs for node in _nodes(graph, 0)):
        domains.add(node.domain)
    if not domains <= DOMAINS:
        return "custom_operator", "The model uses operators that are not standard ones."
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in _tensors(model.graph)):
        return "external_data", "The model's data is in another file."
    return None


def _nodes(graph: Any, depth: int) -> Iterator[Any]:
    if depth > DEEPEST:
        raise RecursionError
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner, depth + 1)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    yield from (sparse.values for sparse in graph.sparse_initializer)
    yield from (sparse.indices for sparse in graph.sparse_initializer)
    for node in _nodes(graph, 0):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from inner.initializer


def _unknown(model: Any) -> bool:
    """The message has fields ONNX does not define, as a polyglot file would."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    return len(UnknownFieldSet(model)) > 0
