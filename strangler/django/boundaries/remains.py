"""What a migration can't do: lines of models to change, what Django did, and code that uses it."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db.migrations.writer import MigrationWriter
from django.db.models import CASCADE, DO_NOTHING, PROTECT, RESTRICT, Field, ForeignKey

from strangler.django.boundaries.declared import declaring, foreign
from strangler.django.boundaries.errors import NotCut
from strangler.django.boundaries.options import Changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What to write in place of what stands in these lines; ``before`` is None within Meta."""

    path: str
    line: int
    before: str | None
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A line that may use the relation."""

    path: str
    line: int
    text: str


def edits(field: ForeignKey[Any, Any], column: Field[Any, Any], changes: Changes) -> Iterator[Edit]:
    """The lines of the model that have to change with the migration.

    Raises:
        NotCut: the model is not written in its module.
    """
    source = declaring(field)
    path, node, lines = _class(source)
    written: Any = column.clone()
    written.serialize = True  # A migration says so of a primary key, and a model never does.
    after = f"{field.attname} = {MigrationWriter.serialize(written)[0]}"
    place = next((one for one in node.body if field.name in _targets(one)), None)
    line = place.lineno if place else node.lineno
    before = "\n".join(lines[line - 1 : place.end_lineno]).strip() if place else ""
    yield Edit(path=path, line=line, before=before, after=after)
    meta = next(
        (one for one in node.body if isinstance(one, ast.ClassDef) and one.name == "Meta"), node
    )
    for said in changes.meta:
        yield Edit(path=path, line=meta.lineno, before=None, after=said)


def notes(field: ForeignKey[Any, Any]) -> Iterator[str]:
    """What Django did for this relation until now."""
    model, target = field.model._meta, field.target_field.model._meta  # noqa: SLF001  # Django's documented name for it
    relation: Any = field.remote_field
    happened = {
        CASCADE: f"deleted its {model.verbose_name_plural} too",
        PROTECT: f"was refused while it had {model.verbose_name_plural}",
        RESTRICT: f"was refused while it had {model.verbose_name_plural}",
        DO_NOTHING: f"was refused by the database while it had {model.verbose_name_plural}",
    }.get(relation.on_delete, f"changed {field.attname} of its {model.object_name}s")
    yield (
        f"Deleting one of {target.label} {happened}. Nothing does that any more: whoever "
        f"deletes one has to see to its {model.verbose_name_plural}."
    )
    yield (
        f"Forms, the admin and serializers chose from {target.label}, and refused what is not "
        "there. Now they take any key: ask the port whether it is one."
    )
    accessor = field.remote_field.get_accessor_name()
    if accessor:
        yield (
            f"{target.label}.{accessor} is gone: {model.object_name}.objects.filter("
            f"{field.attname}=…)."
        )


def uses(field: ForeignKey[Any, Any]) -> list[Use]:
    """Lines of the project's apps that may use the relation, as far as their syntax can tell.

    Another object's attribute of the same name is found too; templates and SQL are not.
    """
    names = {field.name}
    accessor = field.remote_field.get_accessor_name()
    if accessor:
        names |= {accessor, field.related_query_name()}
    source = declaring(field)
    place = _place(source)
    found = []
    for path in _sources():
        text = path.read_text(encoding="utf-8", errors="replace")
        if not any(name in text for name in names):
            continue
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        lines = text.splitlines()
        own = _told(tree, source.__name__, field.name) if str(path) == place else set()
        numbers = {line for line, name in _named(tree) if name in names} - own
        found += [
            Use(path=shown(path), line=line, text=lines[line - 1].strip())
            for line in sorted(numbers)
        ]
    return found


def _named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that may be a field's, with its line: attributes, arguments and strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.end_lineno or node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.lineno, node.arg.partition("__")[0]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for part in node.value.split("__"):
                yield node.lineno, part.removeprefix("-")


def _told(tree: ast.AST, model: str, field: str) -> set[int]:
    """The lines that the edits are about: the field's own, and those of Meta."""
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == model
        for one in node.body
        if field in _targets(one) or (isinstance(one, ast.ClassDef) and one.name == "Meta")
        for line in range(one.lineno, (one.end_lineno or one.lineno) + 1)
    }


def _targets(node: ast.stmt) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else ()
    if isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return {one.id for one in targets if isinstance(one, ast.Name)}


def _sources() -> Iterator[Path]:
    """The modules of the project's own apps, without migrations."""
    seen: set[Path] = set()
    for app in apps.get_app_configs():
        folder = Path(app.path).resolve()
        if foreign(folder):
            continue
        for path in sorted(folder.rglob("*.py")):
            if path not in seen and "migrations" not in path.parts:
                seen.add(path)
                yield path


def _class(model: type) -> tuple[str, ast.ClassDef, list[str]]:
    """Where a model stands: its file, its class there, and the file's lines.

    Raises:
        NotCut: it is not written there.
    """
    text = Path(_place(model)).read_text(encoding="utf-8")
    classes = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.ClassDef))
    node = next((one for one in classes if one.name == model.__name__), None)
    if node is None:
        raise NotCut(
            f"{_place(model)} makes {model.__name__} while it runs, so that nobody can be told "
            "what to change: write it as a class there first"
        )
    return shown(Path(_place(model))), node, text.splitlines()


def _place(model: type) -> str:
    return str(Path(inspect.getfile(model)).resolve())


def shown(path: Path) -> str:
    """As short as a path can be written here."""
    here = Path.cwd().resolve()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
