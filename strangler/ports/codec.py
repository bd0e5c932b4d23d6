"""How calls, answers and declared errors are written.

All of it is JSON, made and read by msgspec from the types that the contract declares:

- a call is an object of arguments by name: ``{"lines": [{"sku": "A", "quantity": 1}], …}``; an
  argument that is left out takes the port's default;
- an answer is the value itself;
- a declared error is ``{"error": "UnknownProduct", "detail": {"sku": "A"}}``.

Decimal, date, datetime, time, timedelta, UUID and bytes are strings (ISO 8601; base64). Fields that
a newer peer sends and this side does not know are ignored; of a key that is there twice the last
counts. Values that would not arrive as they were sent are refused (see ``strangler.ports.strict``).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from strangler.ports.crossing import fields
from strangler.ports.declare import REQUIRED, Method, Parameter
from strangler.ports.errors import BadAnswer, DeclaredError
from strangler.ports.strict import Check, Unfit, check, check_record


class BadArguments(ValueError):
    """The arguments of a call are not what its method declares.

    ``path`` is the JSON path of what is wrong (``$.lines[3].quantity``), ``reason`` what is wrong.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class BadResult(TypeError):
    """An implementation returned or raised what its contract does not allow on a wire."""


class _Fault(msgspec.Struct):
    """A declared error on the wire; its detail is read once its class is known."""

    error: str
    detail: msgspec.Raw


class Codec:
    """Writes and reads the calls of one method. Compiled once: use ``codec(method)``."""

    __slots__ = (
        "_arguments",
        "_check_arguments",
        "_check_result",
        "_decode_arguments",
        "_decode_result",
        "_errors",
        "method",
    )

    def __init__(self, method: Method) -> None:
        self.method = method
        self._arguments = arguments(method)
        self._decode_arguments = msgspec.json.Decoder(self._arguments).decode
        self._decode_result = msgspec.json.Decoder(method.returns).decode
        taken = {parameter.name: parameter.type for parameter in method.parameters}
        self._check_arguments = check_record(self._arguments, taken)
        self._check_result = check(method.returns)
        self._errors = {error.__name__: _Detail(error) for error in method.raises}

    def encode_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """The body of a call, from the arguments as the caller wrote them.

        Raises:
            TypeError: the signature takes no such arguments.
            BadArguments: a value does not fit on a wire.
        """
        try:
            call = self._arguments(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.method}(): {error}") from None
        try:
            return _encode(call, self._check_arguments)
        except _UNWRITABLE as error:
            raise BadArguments(*_why(error)) from error

    def decode_arguments(self, body: bytes) -> dict[str, Any]:
        """The arguments of a call, by name, with the port's defaults.

        Raises:
            BadArguments: it is no JSON, or not what the method declares.
        """
        try:
            call = self._decode_arguments(body)
            self._check_arguments(call)
        except _UNREADABLE as error:
            raise BadArguments(*_why(error)) from error
        return msgspec.structs.asdict(call)

    def encode_result(self, result: Any) -> bytes:
        """The body of an answer.

        Raises:
            BadResult: the implementation returned what does not fit on a wire.
        """
        try:
            return _encode(result, self._check_result)
        except _UNWRITABLE as error:
            raise BadResult(f"{self.method} returned {_said(error)}") from error

    def decode_result(self, body: bytes) -> Any:
        """The answer that a body holds.

        Raises:
            BadAnswer: it is no JSON, or not what the method declares.
        """
        try:
            result = self._decode_result(body)
            self._check_result(result)
        except _UNREADABLE as error:
            raise BadAnswer(f"{self.method} answered {_said(error)}") from error
        return result

    def declares(self, error: DeclaredError) -> bool:
        """May this error cross? Only what the method declares may, and no subclass of it."""
        return type(error) in self.method.raises

    def encode_error(self, error: DeclaredError) -> bytes:
        """The body of a declared error.

        Raises:
            BadResult: the method does not declare it, or a field does not fit on a wire.
        """
        if not self.declares(error):
            raise BadResult(f"{self.method} raised {type(error).__name__}: name it in raises=[…]")
        name = type(error).__name__
        try:
            return self._errors[name].encode(error)
        except _UNWRITABLE as problem:
            raise BadResult(f"{self.method} raised {name} with {_said(problem)}") from problem

    def decode_error(self, body: bytes) -> DeclaredError:
        """The declared error that a body holds.

        Raises:
            BadAnswer: it is none that the method declares, or not with these fields.
        """
        try:
            fault = _decode_fault(body)
            if fault.error not in self._errors:
                raise BadAnswer(
                    f"{self.method} answered the error {fault.error}, which this side does not "
                    "know: deploy callers before a provider raises something new"
                )
            return self._errors[fault.error].decode(fault.detail)
        except _UNREADABLE as error:
            raise BadAnswer(f"{self.method} answered an error with {_said(error)}") from error


@functools.cache
def codec(method: Method) -> Codec:
    """The codec of a method, compiled at the first use."""
    return Codec(method)


def arguments(method: Method) -> type[msgspec.Struct]:
    """The arguments of a method as one record, which binds them as the signature does."""
    positional = [p for p in method.parameters if not p.keyword_only]
    named = [p for p in method.parameters if p.keyword_only]
    record = msgspec.defstruct(method.name, [_field(p) for p in positional], gc=False)
    if named:
        record = msgspec.defstruct(
            method.name, [_field(p) for p in named], bases=(record,), kw_only=True, gc=False
        )
    return record


def detail(error: type[DeclaredError]) -> type[msgspec.Struct]:
    """The fields of a declared error as one record."""
    hints = fields(error)
    members: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in dataclasses.fields(error):  # type: ignore[arg-type]  # every subclass is a dataclass
        hint = hints[field.name]
        if field.default_factory is not dataclasses.MISSING:
            default = msgspec.field(default_factory=field.default_factory)
            members.append((field.name, hint, default))
        elif field.default is not dataclasses.MISSING:
            members.append((field.name, hint, field.default))
        else:
            members.append((field.name, hint))
    return msgspec.defstruct(error.__name__, members, kw_only=True)


def _field(parameter: Parameter) -> tuple[str, Any] | tuple[str, Any, Any]:
    if parameter.default is REQUIRED:
        return (parameter.name, parameter.type)
    return (parameter.name, parameter.type, parameter.default)


class _Detail:
    """Writes and reads one declared error."""

    __slots__ = ("_check", "_decode", "_error")

    def __init__(self, error: type[DeclaredError]) -> None:
        record = detail(error)
        self._error = error
        self._decode = msgspec.json.Decoder(record).decode
        self._check = check_record(error, fields(error))

    def encode(self, error: DeclaredError) -> bytes:
        self._check(error)
        return _write({"error": self._error.__name__, "detail": error.detail()})

    def decode(self, body: msgspec.Raw) -> DeclaredError:
        error = self._error(**msgspec.structs.asdict(self._decode(body)))
        self._check(error)
        return error


_write = msgspec.json.Encoder().encode
_decode_fault = msgspec.json.Decoder(_Fault).decode

# What msgspec raises besides its own errors: TypeError for a type that it does not know, ValueError
# (and UnicodeError) for a value that JSON can't hold, RecursionError for what is nested too deeply.
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)
_UNREADABLE = (ValueError, RecursionError)


def _encode(value: Any, check: Check) -> bytes:
    check(value)
    return _write(value)


_AT = re.compile(r"(?P<reason>.*) - at `(?P<path>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`", re.DOTALL)


def _why(error: BaseException) -> tuple[str, str]:
    """Where something is wrong, as a JSON path, and what."""
    if isinstance(error, Unfit):
        return error.path, error.reason
    path, reason = "$", str(error)
    if isinstance(error, RecursionError):
        return path, "Nested too deeply"
    if isinstance(error, UnicodeError):
        return path, "Expected text in UTF-8"
    if at := _AT.fullmatch(reason):
        path, reason = at["path"], at["reason"]
    if missing := _MISSING.fullmatch(reason):
        path, reason = f"{path}.{missing['name']}", "Required, but missing"
    return path, reason


def _said(error: BaseException) -> str:
    path, reason = _why(error)
    return f"{path}: {reason}"
