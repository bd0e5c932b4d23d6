"""How a saga's data is written: JSON, by the rules by which ports write theirs."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

import msgspec

from strangler.ports.strict import Unfit, check
from strangler.saga.errors import BadData

D = TypeVar("D")


class Written(Generic[D]):
    """Writes and reads the data of one saga."""

    __slots__ = ("_check", "_decode", "type")

    def __init__(self, type_: type[D]) -> None:
        self.type = type_
        self._decode = msgspec.json.Decoder(type_).decode
        self._check = check(type_)

    def encode(self, data: D) -> str:
        """The data as text.

        Raises:
            BadData: it is of another type, or would not be read as it was.
        """
        if type(data) is not self.type:
            raise BadData(f"expected {self.type.__name__}, got {type(data).__name__}")
        try:
            self._check(data)
            text = msgspec.json.encode(data)
            same = self._decode(text) == data
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadData(_said(error)) from error
        if not same:
            raise BadData(f"{text.decode()} is not read as it was written")
        return text.decode()

    def decode(self, text: str) -> D:
        """The data that a text holds.

        Raises:
            BadData: it is none of this type.
        """
        try:
            data = self._decode(text)
            self._check(data)
        except (ValueError, RecursionError) as error:
            raise BadData(_said(error)) from error
        return data

    def unknown(self, text: str) -> str:
        """The JSON path of a field that ``decode`` leaves out; empty if it keeps all of them.

        Raises:
            BadData: it is none of this type.
        """
        return _left_out(self.decode(text), msgspec.json.decode(text), "$")


def _left_out(data: Any, written: Any, path: str) -> str:
    if dataclasses.is_dataclass(data):
        known = {field.name for field in dataclasses.fields(data)}
        for name, value in written.items():
            here = f"{path}.{name}"
            found = _left_out(getattr(data, name), value, here) if name in known else here
            if found:
                return found
        return ""
    if isinstance(data, dict):
        places = [f"{path}.{name}" for name in data]
        data, written = list(data.values()), list(written.values())
    elif isinstance(data, list | tuple):
        places = [f"{path}[{number}]" for number in range(len(data))]
    else:
        return ""
    left_out = map(_left_out, data, written, places)
    return next(filter(None, left_out), "")


def _said(error: Exception) -> str:
    return f"{error.path}: {error.reason}" if isinstance(error, Unfit) else str(error)
