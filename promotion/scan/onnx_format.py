"""ONNX: a graph of operators, which cannot run code as long as every operator is a known one and no data is elsewhere.

Known are the operators of ONNX itself, functions the model defines of them, and a list of ONNX Runtime's own for quantised
and fused graphs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promotion.scan import onnx_trees, pickles
from promotion.scan.report import Data, Refused, require

NAME = "onnx"
ENDINGS = (".onnx",)
STANDARD = frozenset({"", "ai.onnx.ml"})
# Domains that a model may import without using them; ONNX Runtime and the exporters of PyTorch write them by habit.
IMPORTED = STANDARD | {
    "ai.onnx", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.experimental",
    "com.microsoft.nchwc", "org.pytorch.aten", "pkg.onnxscript.torch_lib", "pkg.onnxscript.torch_lib.common",
}  # fmt: skip
RUNTIME = frozenset(
    [
        "Attention",
        "BiasGelu",
        "BiasSoftmax",
        "DequantizeLinear",
        "DynamicQuantizeLSTM",
        "DynamicQuantizeMatMul",
        "EmbedLayerNormalization",
        "FastGelu",
        "FusedConv",
        "FusedGemm",
        "FusedMatMul",
        "FusedMatMulActivation",
        "Gelu",
        "GroupQueryAttention",
        "MatMulInteger16",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "MultiHeadAttention",
        "NhwcConv",
        "NhwcMaxPool",
        "QAttention",
        "QEmbedLayerNormalization",
        "QGemm",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearConv",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QLinearReduceMean",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QLinearWhere",
        "QuantizeLinear",
        "QuickGelu",
        "RotaryEmbedding",
        "SimplifiedLayerNormalization",
        "SkipLayerNormalization",
        "SkipSimplifiedLayerNormalization",
        "TransposeMatMul",
    ]
)
FUSED = frozenset({"SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"})  # written without a domain
LARGEST_BYTES = 2 * 1024**3 - 1  # protobuf's own limit
DEEPEST = 60
HIGHEST_IR_VERSION = 64


def looks_like(base: str, data: Data) -> bool:
    """By its name, or by the first field of a ModelProto (ir_version, a small integer)."""
    head = bytes(data[:4])
    return base.endswith(ENDINGS) or (len(head) == 4 and head[0] == 0x08 and 1 <= head[1] <= HIGHEST_IR_VERSION)


def require_good(data: Data) -> None:
    """Raises Refused. Parses the protobuf and nothing more."""
    import onnx
    from google.protobuf.message import DecodeError

    require(len(data) <= LARGEST_BYTES, "too_large", "The model is larger than ONNX files can be.")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(data))
    except DecodeError as error:
        raise Refused("not_onnx", "The file is no ONNX model.") from error
    require(bool(model.graph.node) and bool(model.opset_import), "not_onnx", "The file holds no ONNX graph.")
    functions = {(_domain(function), function.name): function for function in model.functions}
    require(len(functions) == len(model.functions), "custom_operator", "The model defines a function twice.")
    _require_functions(functions)
    own = {domain for domain, _ in functions}
    imports = {one.domain for holder in (model, *model.functions) for one in holder.opset_import}
    require(imports <= IMPORTED | own, "custom_operator", "The model uses operators that are not standard ones.")
    for message in messages(model):
        _require_message(message, functions)


def texts(data: Data) -> Iterator[str]:
    """Every text in the model: names, documentation, metadata and vocabulary."""
    import onnx

    model = onnx.ModelProto()
    model.ParseFromString(bytes(data))
    for message in messages(model):
        yield from _texts(message)


def _require_message(message: Any, functions: Mapping[tuple[str, str], Any]) -> None:
    from google.protobuf.unknown_fields import UnknownFieldSet

    require(not len(UnknownFieldSet(message)), "trailing_data", "The file holds data that is no part of an ONNX model.")
    match message.DESCRIPTOR.name:
        case "NodeProto":
            good = (_domain(message), message.op_type) in functions or _standard(message)
            require(good, "custom_operator", "The model uses operators that are not standard ones.")
            onnx_trees.require_good_trees(message)
        case "TensorProto":
            elsewhere = message.data_location != 0 or bool(message.external_data)
            require(not elsewhere, "external_data", "The model's data is in another file.")
        case "StringStringEntryProto":
            require(not pickles.in_strings(iter((message.value,))), "pickle", "The model's metadata hold a pickle as text.")
        case _:
            pass


def _standard(node: Any) -> bool:
    import onnx

    domain = _domain(node)
    if domain == "com.microsoft":
        return node.op_type in RUNTIME
    return domain in STANDARD and (onnx.defs.has(node.op_type, domain) or (domain == "" and node.op_type in FUSED))


def _require_functions(functions: Mapping[tuple[str, str], Any]) -> None:
    """No function takes the name of a standard operator, and none calls itself, however far around."""
    calls = {
        key: {(_domain(node), node.op_type) for node in _nodes(function.node, 0)} & set(functions)
        for key, function in functions.items()
    }
    require(
        all(domain not in STANDARD | {"com.microsoft"} for domain, _ in functions),
        "custom_operator",
        "A standard operator is redefined.",
    )
    while calls:
        ready = [key for key, called in calls.items() if not called & set(calls)]
        require(bool(ready), "custom_operator", "The model's functions call each other in a circle.")
        for key in ready:
            del calls[key]


def _nodes(nodes: Any, depth: int) -> Iterator[Any]:
    require(depth <= DEEPEST, "too_deep", "The model is nested beyond reason.")
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner.node, depth + 1)


def messages(root: Any) -> Iterator[Any]:
    """The message and every message inside it."""
    left = [(root, 0)]
    while left:
        message, depth = left.pop()
        require(depth <= 4 * DEEPEST, "too_deep", "The model is nested beyond reason.")
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                inner = value if field.is_repeated else (value,)
                left.extend((one, depth + 1) for one in inner)


def _texts(message: Any) -> Iterator[str]:
    for field, value in message.ListFields():
        if field.message_type is None and field.name not in ("raw_data", "op_type"):
            values = value if field.is_repeated else (value,)
            if field.type == field.TYPE_STRING:
                yield from values
            elif field.type == field.TYPE_BYTES:
                yield from (one.decode("utf-8", "replace") for one in values)


def _domain(message: Any) -> str:
    return "" if message.domain == "ai.onnx" else str(message.domain)
