"""Structured logs: JSON in production, for people in development."""

from __future__ import annotations

import sys
from typing import Any

import structlog

from monolith.config.settings.env import DEBUG, env
from strangler.ports.context import current


def _without_objects(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Django attaches requests and sockets to what it logs, which no log can hold."""
    for name in ("request", "server_time"):
        event.pop(name, None)
    return event


def _with_trace(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Say which request a line belongs to, under the names that services use."""
    trace = current().trace
    if trace is not None:
        event.setdefault("trace", trace.trace)
        event.setdefault("span", trace.span)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    _without_objects,
    _with_trace,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# No traceback shows what the variables of its frames hold: passwords are among them.
_RENDERERS: dict[str, list[Any]] = {
    "json": [
        structlog.processors.ExceptionRenderer(
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        ),
        structlog.processors.JSONRenderer(),
    ],
    "console": [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ],
}

LOG_FORMAT = env.str("LOG_FORMAT", default="console" if DEBUG else "json")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structlog": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _SHARED,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_RENDERERS[LOG_FORMAT],
            ],
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structlog"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": ["console"], "level": "INFO", "propagate": False},
    },
}
