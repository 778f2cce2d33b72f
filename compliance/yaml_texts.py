"""YAML that somebody hands in, read within bounds and with one meaning.

A short text can stand for more values than any memory holds (aliases of aliases), can nest until the interpreter ends, and can
say one key twice, of which a reader sees the first and a loader takes the last.
"""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

from compliance.errors import ComplianceError

DEEPEST, MOST_VALUES = 50, 200_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class InvalidYaml(ComplianceError):
    """The text is no YAML, or none that is read here."""

    code: ClassVar[str] = "invalid_yaml"


class _Unique(_LOADER):  # type: ignore[misc]
    """The safe loader, for which a key stands in a mapping once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) != len(keys):
            raise InvalidYaml(f"The YAML says a key twice, near line {node.start_mark.line + 1}.")
        return dict(super().construct_mapping(node, deep))


def load_yaml(text: str) -> Any:
    """The value that `text` says: plain values only, nested no deeper than DEEPEST. Raises InvalidYaml, without a value in it."""
    try:
        _require_bounds(text)
        return yaml.load(text, Loader=_Unique)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InvalidYaml("This is no YAML, or none of plain values.") from error


def _require_bounds(text: str) -> None:
    """`text` is shallow and small, counting what its aliases stand for; told from its events, so nothing is built."""
    open_: list[tuple[str | None, int]] = [(None, 0)]
    sizes: dict[str, int] = {}
    values = 0
    for event in yaml.parse(text, Loader=_LOADER):
        size = 0
        match event:
            case yaml.CollectionStartEvent():
                open_.append((event.anchor, values))
            case yaml.CollectionEndEvent():
                anchor, before = open_.pop()
                size = 1
                if anchor:
                    sizes[anchor] = values + 1 - before
            case yaml.ScalarEvent():
                size = 1
                if event.anchor:
                    sizes[event.anchor] = 1
            case yaml.AliasEvent():
                size = sizes.get(str(event.anchor), MOST_VALUES + 1)  # one that is not known yet holds itself
        values += size
        if len(open_) > DEEPEST or values > MOST_VALUES:
            raise InvalidYaml("The YAML is nested, repeated or long beyond what is read.")
