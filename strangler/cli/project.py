"""Finding the Django project that a command is about."""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from strangler.django.boot import NOT_WIRED, ImproperlyConfigured, boot

ENVIRONMENT = "DJANGO_SETTINGS_MODULE"


class ProjectNotFound(Exception):
    """No settings module is known, or it can't be imported or used; the message says what to do."""


def load(settings: str | None = None) -> None:
    """Set Django up: ``settings`` by name, or ``DJANGO_SETTINGS_MODULE``, or the nearest project's.

    That is ``[tool.strangler] settings`` in the nearest ``pyproject.toml`` that has it; its folder
    is importable from then on, as it would be for ``manage.py``.

    Raises:
        ProjectNotFound: there is none, or it can't be imported, or used.
    """
    root, configured = _nearest(Path.cwd())
    name = settings or os.environ.get(ENVIRONMENT) or configured
    if not name:
        raise ProjectNotFound(
            "which project? Run this where a pyproject.toml says [tool.strangler] settings = "
            f'"shop.settings", or set {ENVIRONMENT}, or say strangler --settings shop.settings …'
        )
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    # What is wrong with the manifest is this command's own answer, and needs no log beside it.
    logging.getLogger("strangler.ports").addFilter(_elsewhere)
    try:
        boot(name)
    except ImportError as error:
        raise ProjectNotFound(f"the settings {name!r} can't be imported: {error}") from error
    except ImproperlyConfigured as error:
        raise ProjectNotFound(f"the settings {name!r} can't be used: {error}") from error
    finally:
        logging.getLogger("strangler.ports").removeFilter(_elsewhere)


def _elsewhere(record: logging.LogRecord) -> bool:
    return record.msg != NOT_WIRED


def _nearest(start: Path) -> tuple[Path, str | None]:
    for folder in (start, *start.parents):
        said = _section(folder / "pyproject.toml").get("settings")
        if isinstance(said, str):
            return folder, said
    return start, None


def _section(path: Path) -> dict[str, Any]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ProjectNotFound(f"{path} can't be read: {error}") from error
    section = data.get("tool", {}).get("strangler", {})
    return section if isinstance(section, dict) else {}
