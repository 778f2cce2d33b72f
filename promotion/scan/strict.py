"""JSON, YAML and plain text, read strictly: one meaning, bounded size, nothing that builds objects."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from promotion.scan.report import Data, Refused, require

LARGEST_JSON, LARGEST_YAML, LARGEST_TEXT = 16 << 20, 4 << 20, 64 << 20
DEEPEST, MOST_ALIASES = 100, 10  # of n aliases, each on the one before, come 3 to the power of n / 3 values
STANDARD_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ["str", "int", "float", "bool", "null", "seq", "map", "timestamp"]
)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Characters that make a text read differently from what it says (Unicode's bidirectional controls).
BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def text(data: Data, largest: int = LARGEST_TEXT) -> str:
    """`data` as text without control characters. Raises Refused."""
    require(len(data) <= largest, "too_large", "The file is larger than a file of its kind may be.")
    try:
        found = bytes(data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("format_refused", "This is no plain text.") from error
    odd = {c for c in set(found) if (ord(c) < 32 and c not in "\t\r\n\f") or 127 <= ord(c) < 160} | (BIDI & set(found))
    require(not odd, "format_refused", "This is no plain text.")
    return found


def parse_json(data: Data, largest: int = LARGEST_JSON) -> Any:
    """The JSON document in `data`; a key twice, or nesting beyond reason, is refused."""
    require(len(data) <= largest, "too_large", "The file is larger than a file of its kind may be.")
    try:
        return json.loads(bytes(data).decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Refused("not_json", "This is no well-formed JSON.") from error


def parse_yaml(data: Data) -> Any:
    """The YAML document in `data`: no tags but the standard ones, no merging, few aliases."""
    source = text(data, LARGEST_YAML)
    depth = aliases = 0
    try:
        for event in yaml.parse(source, Loader=LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            aliases += isinstance(event, yaml.AliasEvent)
            tag = getattr(event, "tag", None)
            require(tag is None or tag in STANDARD_TAGS or tag == "!", "yaml_tag", "The YAML builds objects.")
            require(getattr(event, "value", None) != "<<", "yaml_tag", "The YAML merges mappings.")
            require(depth <= DEEPEST and aliases <= MOST_ALIASES, "too_deep", "The YAML is nested or repeated beyond reason.")
        return yaml.load(source, Loader=LOADER)  # noqa: S506 - the safe loader, in C where there is one
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Refused("not_yaml", "This is no well-formed YAML.") from error


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON or YAML value, keys too."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, list | tuple):
            left.extend(one)


def mappings(value: Any) -> Iterator[Mapping[Any, Any]]:
    """Every mapping in a JSON or YAML value."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            yield one
            left.extend(one.values())
        elif isinstance(one, list | tuple):
            left.extend(one)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found
