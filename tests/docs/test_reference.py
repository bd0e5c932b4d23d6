"""The reference says what the code does: generated parts are fresh, tables are compared."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from extracted.inventory.settings import InventorySettings
from extracted.pricing.settings import PricingSettings
from strangler import ladder
from strangler.django import conf
from strangler.django.transfer import places
from strangler.fastapi.settings import ServiceSettings
from strangler.ladder import Direction, Stage
from strangler.manifest import (
    Breaker,
    Capability,
    Edge,
    Events,
    Gateway,
    ManifestErrors,
    Placement,
    Resilience,
    Rollout,
    Shadow,
    facing,
    load,
    parse,
    values,
)
from strangler.ports import headers, serve
from strangler.routing.nginx import compiled
from tests.docs import generated
from tests.docs.reading import DOCUMENTS, ROOT, blocks, label

REFERENCE = ROOT / "docs" / "reference"
SECTIONS = {
    "[edge]": Edge,
    "[events]": Events,
    "[capability.NAME]": Capability,
    "[capability.NAME.resilience]": Resilience,
    "[capability.NAME.resilience.breaker]": Breaker,
    "[capability.NAME.shadow]": Shadow,
    "[capability.NAME.rollout]": Rollout,
    "[capability.NAME.gateway]": Gateway,
}
SIZES = {"body": '"1M"', "header": '"8k"'}
DURATIONS = {"timeout": 2.0, "reset": 30.0, "soak": 600.0}


def rows(path: Path, heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, without those of their own headings."""
    text = path.read_text()
    _, _, below = text.partition(f"{heading}\n")
    assert below, f"{label(path)} has no heading {heading}"
    section = re.split(r"^#", below, maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [
        row
        for row, after in zip(found, [*found[1:], [""]], strict=True)
        if set(row[0]) != {"-"} and set(after[0]) != {"-"}
    ]


def code(cell: str) -> str:
    """What stands between backticks first."""
    found = re.search(r"`([^`]+)`", cell)
    return found[1] if found else cell


@pytest.mark.parametrize("path", DOCUMENTS, ids=label)
def test_generated_parts_are_what_the_code_says(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = path.read_text()

    assert generated.renewed(text) == text, "python -m tests.docs.generated writes them anew"


def test_every_part_that_is_generated_is_shown_somewhere():
    shown = [name for path in DOCUMENTS for name in generated.names(path.read_text())]

    assert set(shown) == set(generated.PARTS)


def test_the_picture_has_every_rung_once_and_every_gate():
    drawn = generated.picture()

    assert [line.split()[0] for line in drawn.splitlines()[1:-1] if line[2] != " "] == [
        str(stage) for stage in reversed(Stage)
    ]
    for arrow in ladder.TRANSITIONS:
        if arrow.direction is Direction.UP and arrow.source is not arrow.target:
            assert " and ".join(arrow.gates) in drawn


@pytest.mark.parametrize(("section", "model"), SECTIONS.items(), ids=str)
def test_the_manifest_has_these_keys_and_defaults(section: str, model: type[Any]):
    said = {code(row[0]): row[2] for row in rows(REFERENCE / "manifest.md", f"## `{section}`")}

    tables = {one.rpartition(".")[2].strip("]") for one in SECTIONS}
    keys = [field.name for field in dataclasses.fields(model) if field.name != "name"]
    assert list(said) == [key for key in keys if key not in tables or key == "breaker"]
    for field in dataclasses.fields(model):
        if field.name in said and said[field.name] != "see below":
            assert said[field.name].strip("`") == _default(field), field.name


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING or value is None:
        return "none" if value is None else "required"
    if field.name in DURATIONS:
        assert value == DURATIONS[field.name]
        return {2.0: '"2s"', 30.0: '"30s"', 600.0: '"10m"'}[float(str(value))]
    if field.name in SIZES:
        assert value == facing._size(SIZES[field.name].strip('"'))
        return SIZES[field.name]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        inner = ", ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in value)
        return f"[{inner}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def test_the_example_of_the_manifest_is_one_with_the_usual_thresholds():
    text = next(block.text for block in blocks(REFERENCE / "manifest.md"))
    catalog = parse(text, path=Path("capabilities.toml"), environ={}).capabilities["catalog"]

    assert catalog.resilience == Resilience()
    assert catalog.rollout == Rollout()
    assert dataclasses.replace(catalog.shadow, ignore=(), unordered=(), redact=()) == Shadow()


def test_the_manifest_refuses_the_names_and_placements_that_the_reference_says():
    text = (REFERENCE / "manifest.md").read_text()

    for name in values._TAKEN:
        assert f"`{name}`" in text
    for placement in get_args(Placement):
        assert f"`{placement}`" in text
    with pytest.raises(ManifestErrors, match="there is no such key"):
        parse("[edge]\nmonolit = 1\n", path=Path("x"), environ={})


def test_the_tutorials_manifest_is_the_shops_but_for_the_thresholds_of_pricing():
    ours = load(ROOT / "docs" / "tutorial" / "capabilities.toml", environ={})
    shops = load(ROOT / "router" / "capabilities.toml", environ={})
    pricing, real = ours.capabilities["pricing"], shops.capabilities["pricing"]
    alike = dataclasses.replace(
        pricing, resilience=real.resilience, shadow=real.shadow, rollout=real.rollout
    )

    assert ours.edge == shops.edge
    assert {**ours.capabilities, "pricing": alike} == dict(shops.capabilities)
    assert pricing.shadow.min_comparisons < real.shadow.min_comparisons


def test_the_errors_of_the_edge_are_these():
    text = (ROOT / "router" / "capabilities.toml").read_text()
    text += '\n[capability.catalog.gateway]\nrate = "1/s"\nmaintenance = "1m"\nkey = "X-Api-Key"\n'
    files = compiled(parse(text, path=Path("capabilities.toml"), environ={}))
    told = set(re.findall(r"return (\d+) '{\"error\": \"(\w+)\"", "".join(files.values())))

    said = rows(REFERENCE / "errors.md", "## Of the edge")
    assert told == {(status, code(row[1])) for row in said for status in row[0].split(", ")}


def test_the_kits_settings_are_these():
    said = rows(REFERENCE / "settings.md", "## The kit in Django")
    keys = {code(row[0]): code(row[1]) for row in said if len(row) == 3}
    fields = {field.name.upper(): field.default for field in dataclasses.fields(conf.Settings)}

    assert keys.keys() == fields.keys() == conf._KEYS
    for name, default in fields.items():
        usual = "–" if default in {None, dataclasses.MISSING} else str(default)
        assert keys[name] == usual, name
    variables = {code(row[0]) for row in said if len(row) == 2}
    assert {f"STRANGLER_{key}" for key in conf._FROM_ENVIRONMENT} <= variables
    assert {places.MONOLITH, places.service_variable("<CAPABILITY>")} <= variables


def test_a_services_settings_are_these():
    said = {
        code(row[0]): code(row[1])
        for row in rows(REFERENCE / "settings.md", "## A service on the chassis")
    }
    fields = ServiceSettings.model_fields

    assert said.keys() == {f"STRANGLER_{name.upper()}" for name in fields}
    for name, field in fields.items():
        usual = "–" if field.default is None else str(field.default)
        assert said[f"STRANGLER_{name.upper()}"] == usual
    text = (REFERENCE / "settings.md").read_text()
    for own in (InventorySettings, PricingSettings):
        prefix = own.model_config["env_prefix"]
        assert all(f"{prefix}{name.upper()}" in text for name in own.model_fields)


def test_the_shops_settings_read_these_variables():
    said = {code(row[0]) for row in rows(REFERENCE / "settings.md", "## The reference shop")}
    marked = {
        code(row[0])
        for row in rows(REFERENCE / "settings.md", "## The reference shop")
        if row[0].endswith("*")
    }
    source = "".join(
        path.read_text() for path in (ROOT / "monolith" / "config" / "settings").glob("*.py")
    )
    read = set(re.findall(r'(?:env\.\w+|required)\(\s*"([A-Z_]+)"', source))

    assert said == read
    assert marked == set(re.findall(r'required\(\s*"([A-Z_]+)"', source))


def test_the_statuses_of_a_port_call_are_these():
    said = " ".join(row[0] for row in rows(REFERENCE / "wire.md", "## A port call"))
    table = (serve.__doc__ or "").partition("answered with")[2]
    answered = re.findall(r"^((?:\d{3} ?)+)  ", table, re.MULTILINE)

    assert set(re.findall(r"\d{3}", said)) == set(re.findall(r"\d{3}", " ".join(answered)))


def test_the_headers_of_the_wire_are_the_only_ones_in_the_documentation():
    known = set(headers.INTERNAL)
    for path in DOCUMENTS:
        named = set(re.findall(r"X-Strangler-[A-Za-z]+", path.read_text()))
        assert named <= known, label(path)
