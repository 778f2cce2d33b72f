"""The embedded engine (regopy) by its C interface: a question goes in and an answer comes out in one step each.

regopy's own classes do the same in several: they turn an answer into text four times, and a question into values one call at a
time through three layers. That was a third of the time of a decision. Texts and numbers go in as `policies.wire` has them.
"""

from __future__ import annotations

import ctypes
import functools
import json
import weakref
from collections.abc import Mapping
from itertools import repeat
from typing import Any

from policies.wire import DEEPEST, MARK, decoded, number, plain, plain_all

ROOM = 1 << 16  # bytes for an answer; one that is longer is asked for its length
TOO_SMALL = 2
STEPS = (
    "regoNewInput", "regoFreeInput", "regoInputNull", "regoInputBoolean", "regoInputInt", "regoInputFloat", "regoInputString",
    "regoInputArray", "regoInputObjectItem", "regoInputObject",
)  # fmt: skip


class NoAnswer(Exception):
    """The engine did not take or answer something."""


class Question:
    """A value as the engine holds it, to be put to several engines. Raises TypeError for what is no JSON value."""

    __slots__ = ("_free", "pointer")

    def __init__(self, value: Any) -> None:
        library = _steps()
        self._free, self.pointer = library.regoFreeInput, library.regoNewInput()
        if _put(library, self.pointer, value, 0):
            raise NoAnswer("The engine does not take the question.")

    def __del__(self) -> None:
        self._free(self.pointer)


class Compiled:
    """Rego modules and data, compiled for one entrypoint. Raises NoAnswer when they do not compile. One thread at a time."""

    def __init__(self, modules: Mapping[str, str], data: Mapping[str, Any], entrypoint: str) -> None:
        from regopy import LogLevel, rego_shared

        self._library, self._entrypoint = _library(), entrypoint.encode()
        source, self._engine = rego_shared.rego_new(), rego_shared.rego_new()
        weakref.finalize(self, rego_shared.rego_free, self._engine)
        try:
            rego_shared.rego_set_log_level(source, LogLevel.NONE)  # it would write to the process's standard output
            for name, text in modules.items():
                rego_shared.rego_add_module(source, name, text)
            rego_shared.rego_add_data_json(source, json.dumps(data))
            rego_shared.rego_add_entrypoint(source, entrypoint)
            self._bundle = self._library.regoBuild(source)
        except rego_shared.RegoError as error:
            raise NoAnswer("The policies do not compile.") from error
        finally:
            rego_shared.rego_free(source)
        if not self._bundle:
            raise NoAnswer("The policies do not compile.")
        weakref.finalize(self, self._library.regoFreeBundle, self._bundle)
        if not self._library.regoBundleOk(self._bundle):
            raise NoAnswer("The policies do not compile.")
        self._room = ctypes.create_string_buffer(ROOM)

    def answer(self, question: Question) -> Any:
        """The entrypoint's value for `question`. Raises NoAnswer."""
        library = self._library
        if library.regoSetInput(self._engine, question.pointer):
            raise NoAnswer("The engine does not take the question.")
        output = library.regoBundleQueryEntrypoint(self._engine, self._bundle, self._entrypoint)
        if not output:
            raise NoAnswer("The engine gave no answer.")
        try:
            if not library.regoOutputOk(output):
                raise NoAnswer("The engine gave no answer.")
            return self._read(output)
        finally:
            library.regoFreeOutput(output)

    def _read(self, output: int) -> Any:
        library = self._library
        failed = library.regoOutputJSON(output, self._room, len(self._room))
        if failed == TOO_SMALL:
            self._room = ctypes.create_string_buffer(library.regoOutputJSONSize(output))
            failed = library.regoOutputJSON(output, self._room, len(self._room))
        if failed:
            raise NoAnswer("The engine's answer cannot be read.")
        try:
            text = self._room.value
            given = json.loads(text)
            value = (given[0] if isinstance(given, list) else given)["expressions"][0]
            return decoded(value) if MARK.encode() in text else value
        except (ValueError, LookupError, TypeError) as error:
            raise NoAnswer("The engine's answer cannot be read.") from error


@functools.cache
def _library() -> Any:
    from regopy import rego_shared

    return rego_shared.rego


@functools.cache
def _steps() -> Any:
    """The functions that put a question in, called without giving up Python's lock: hundreds of steps that take no time each."""
    library, steps = _library(), ctypes.PyDLL(_library()._name)
    for name in STEPS:
        step, known = getattr(steps, name), getattr(library, name)
        step.argtypes, step.restype = known.argtypes, known.restype
    return steps


def _put(library: Any, into: int, value: Any, depth: int) -> int:
    """`value` is on the engine's stack; not zero if it refused a part. Raises TypeError for what is no JSON value."""
    kind = type(value)
    if kind is str or isinstance(value, str):
        return int(library.regoInputString(into, plain(value)))
    if kind is bool:
        return int(library.regoInputBoolean(into, value))
    if isinstance(value, (int, float)):
        known = number(value)
        return int(library.regoInputFloat(into, known) if isinstance(known, float) else library.regoInputInt(into, known))
    if value is None or depth == DEEPEST:
        return int(library.regoInputNull(into))
    if kind is dict or isinstance(value, Mapping):
        return _put_object(library, into, value, depth)
    if isinstance(value, (list, tuple)):
        return _put_list(library, into, value, depth)
    raise TypeError("Policy is asked about JSON values only.")


def _put_object(library: Any, into: int, value: Mapping[Any, Any], depth: int) -> int:
    text, item, refused = library.regoInputString, library.regoInputObjectItem, 0
    for key, each in value.items():
        if not isinstance(key, str):
            raise TypeError("Policy is asked about JSON values only.")
        refused |= text(into, _key(key))
        refused |= text(into, plain(each)) if type(each) is str else _put(library, into, each, depth + 1)
        refused |= item(into)
    return refused | int(library.regoInputObject(into, len(value)))


@functools.lru_cache(maxsize=1_024)
def _key(key: str) -> bytes:
    """A field's name as `plain` has it, which is the same few in every question."""
    return plain(key)


def _put_list(library: Any, into: int, value: list[Any] | tuple[Any, ...], depth: int) -> int:
    text, refused = library.regoInputString, 0
    if isinstance(value, list) and (texts := plain_all(value)) is not None:  # most lists: many texts in few steps
        return any(map(text, repeat(into), texts)) | int(library.regoInputArray(into, len(value)))
    for each in value:
        refused |= text(into, plain(each)) if type(each) is str else _put(library, into, each, depth + 1)
    return refused | int(library.regoInputArray(into, len(value)))
