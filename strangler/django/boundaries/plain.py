"""The plain column that a foreign key is in truth."""

from __future__ import annotations

from typing import Any

from django.db.models import BigIntegerField, Field, ForeignKey, IntegerField, SmallIntegerField

_OWN = frozenset(
    {
        "auto_now",
        "auto_now_add",
        "blank",
        "choices",
        "db_column",
        "db_comment",
        "db_default",
        "db_index",
        "db_tablespace",
        "default",
        "editable",
        "error_messages",
        "help_text",
        "null",
        "primary_key",
        "serialize",
        "unique",
        "unique_for_date",
        "unique_for_month",
        "unique_for_year",
        "verbose_name",
    }
)
"""What a field says of its own column, and not of the type of its values."""
_RELATION = frozenset(
    {
        "db_column",
        "db_constraint",
        "db_index",
        "limit_choices_to",
        "on_delete",
        "parent_link",
        "related_name",
        "related_query_name",
        "swappable",
        "to",
        "to_field",
    }
)
"""What only a relation says."""
_SERIAL = {
    "AutoField": IntegerField,
    "BigAutoField": BigIntegerField,
    "SmallAutoField": SmallIntegerField,
}


def column(field: ForeignKey[Any, Any]) -> Field[Any, Any]:
    """A field of the type of the key that ``field`` keeps, and otherwise as ``field`` is.

    Its name is the one under which Django has kept the key all along: ``customer_id``.
    """
    relation: Any = field
    target = relation.target_field
    while target.remote_field:
        target = target.target_field
    kind, keywords = _type(target)
    _, _, _, own = field.deconstruct()
    keywords |= {key: value for key, value in own.items() if key not in _RELATION}
    indexed = relation.db_index and not field.unique
    if field.unique and not field.primary_key:
        keywords["unique"] = True
    if indexed != kind(**keywords).db_index:
        keywords["db_index"] = indexed
    if field.column != field.attname:
        keywords["db_column"] = field.column
    made: Field[Any, Any] = kind(**keywords)
    made.set_attributes_from_name(field.attname)
    return made


def _type(target: Field[Any, Any]) -> tuple[Any, dict[str, Any]]:
    """The class of a plain column for keys of this kind, and what it takes."""
    # A key that points to a serial or a positive number is a plain number to the database.
    number = _SERIAL.get(target.get_internal_type()) or getattr(target, "integer_field_class", None)
    if number is not None:
        return number, {}
    _, _, _, keywords = target.deconstruct()
    return type(target), {key: value for key, value in keywords.items() if key not in _OWN}
