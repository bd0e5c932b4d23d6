"""Structured logs: one JSON object a line on a server, readable columns on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

from strangler.ports.context import current


def configure(*, level: str, party: str) -> None:
    """Send every log record of this process, the libraries' own too, to standard output."""

    def with_party(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["party"] = party
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        with_party,
        with_call,
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stdout.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def with_call(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Say which request a line belongs to: trace, caller and cohort of the present call."""
    context = current()
    if context.trace is not None:
        event.setdefault("trace", context.trace.trace)
        event.setdefault("span", context.trace.span)
    if context.caller is not None:
        event.setdefault("caller", context.caller)
        event.setdefault("cohort", context.cohort)
    return event
