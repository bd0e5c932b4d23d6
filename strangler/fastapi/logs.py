"""Structured logs: one JSON object a line on a server, readable columns on a terminal.

Every line says for which request it was written: ``trace``, ``span``, ``caller``, ``user`` and
``cohort``. Modules log through ``logging`` or ``structlog``, as they like.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from strangler.ports.context import Context, current

ACCESS: Final = "strangler.access"
"""The logger of access lines; its records carry their fields in ``strangler_access``."""
_FIELDS: Final = "strangler_access"
_NOISE: Final = frozenset({"color_message"})


def configure(*, level: str, party: str, stream: TextIO | None = None) -> None:
    """Send every log record of this process, the libraries' own too, to standard output.

    Args:
        level: the least severe level that is written, such as ``INFO``.
        party: who writes: the capability.
        stream: another place than standard output.
    """
    stream = stream or sys.stdout
    for_people = stream.isatty()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _with_fields,
        _with_call,
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(party, for_people=for_people),
            ],
        )
        if for_people
        else _Json(party, shared)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def call_fields(context: Context) -> dict[str, Any]:
    """What a log says of a call: its trace, and whose it is."""
    fields: dict[str, Any] = {}
    if context.trace is not None:
        fields["trace"] = context.trace.trace
        fields["span"] = context.trace.span
    if context.caller is not None:
        fields["caller"] = context.caller
        fields["user"] = context.user.id if context.user is not None else None
        fields["cohort"] = context.cohort
        if context.shadow:
            fields["shadow"] = True
    return fields


class AccessLog:
    """Writes one line for each request."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(ACCESS)

    def wanted(self) -> bool:
        """Would anybody read it?"""
        return self._logger.isEnabledFor(logging.INFO)

    def write(self, fields: dict[str, Any], *, at: float) -> None:
        """One request was answered ``at`` this time, in seconds since the epoch."""
        # Made by hand: logging.info would look through the stack for its caller, for each request.
        record = logging.LogRecord(ACCESS, logging.INFO, __file__, 0, "request", None, None)
        record.created = at
        setattr(record, _FIELDS, fields)
        self._logger.handle(record)


class _Json(structlog.stdlib.ProcessorFormatter):
    """JSON lines. Access lines are many, and are written without ado."""

    def __init__(self, party: str, shared: list[Processor]) -> None:
        super().__init__(
            foreign_pre_chain=shared,
            processors=[self.remove_processors_meta, *_renderers(party, for_people=False)],
        )
        self._party = party
        self._encode = msgspec.json.Encoder(enc_hook=str).encode

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, _FIELDS, None)
        if fields is None:
            return super().format(record)
        line = {
            "event": "request",
            **fields,
            "level": "info",
            "logger": ACCESS,
            "timestamp": _stamp(record.created),
            "party": self._party,
        }
        return self._encode(line).decode()


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _renderers(party: str, *, for_people: bool) -> list[Processor]:
    if for_people:
        return [
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            _for_people,
            structlog.dev.ConsoleRenderer(
                pad_event_to=28, exception_formatter=structlog.dev.plain_traceback
            ),
        ]

    def with_party(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["party"] = party
        return event

    return [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        with_party,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ]


def _with_fields(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """What an access line says; and nothing that is only there for somebody else's terminal."""
    record = event.get("_record")
    event.update(getattr(record, _FIELDS, {}))
    event.pop(_FIELDS, None)
    for name in _NOISE:
        event.pop(name, None)
    return event


def _with_call(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Say which request a line belongs to."""
    for name, value in call_fields(current()).items():
        event.setdefault(name, value)
    return event


def _for_people(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """On a terminal: the request as it was asked, and no more of a trace than tells it apart."""
    if "method" in event and "path" in event and event["event"] == "request":
        asked = f"{event.pop('method')} {event.pop('path')}"
        event["event"] = f"{event.pop('status')} {asked} {event.pop('ms'):g} ms"
    for name in ("span", "logger"):
        event.pop(name, None)
    if "trace" in event:
        event["trace"] = event["trace"][:8]
    return {name: value for name, value in event.items() if value is not None}
