"""Every way in which a model can hang on one of another app, asked by ``_meta``."""

from __future__ import annotations

import json
from pathlib import Path

from strangler.django import boundaries, checks, conf
from strangler.manifest import load
from tests.strangler.django.boundaries.project import ROOT, Tangled

BLOCKING = {
    "sales.Customer.person_ptr": ("people.Person", "inheritance", False),
    "sales.Ledger.owner": ("people.Person", "foreign key", False),
    "sales.Order.card": ("people.Card", "foreign key", True),
    "sales.Order.country": ("people.Country", "foreign key", True),
    "sales.Order.customer": ("people.User", "foreign key", True),
    "sales.Order.label": ("people.Label", "foreign key", True),
    "sales.Order.labels": ("people.Label", "many-to-many", False),
    "sales.Order.origin": ("people.Country", "foreign key", True),
    "sales.Profile.user": ("people.User", "one-to-one", True),
    "sales.Rating.person": ("people.Person", "foreign key", True),
    "sales.Rating.reviewer": ("people.Person", "foreign key", True),
    "sales.Remark.content_type": ("contenttypes.ContentType", "foreign key", False),
    "sales.Visit.contact": ("people.Person", "foreign key", True),
    "sales.Watch.user": ("people.User", "foreign key", False),
    "desk.Refund.order_ptr": ("sales.Order", "inheritance", False),
    "desk.Ticket.invoice": ("sales.Order", "one-to-one", True),
    "desk.Ticket.order": ("sales.Order", "foreign key", True),
    "desk.Ticket.others": ("sales.Order", "many-to-many", False),
}
CODE = {
    "sales.Contact": ("people.Person", "proxy", False),
    "sales.Order.agent": ("people.Person", "relation without a constraint", True),
    "sales.Order.watchers": ("people.User", "many-to-many through a model", False),
    "sales.Remark.about": ("anything", "generic relation", False),
    "desk.Ticket.remarks": ("sales.Remark", "generic relation", False),
}
CROSSES = "crosses the boundary of sales, whose rows are carried to another database"
CHECK = """
from django.core.checks import run_checks
from django.utils import timezone
from strangler.django.control_plane import control
from strangler.django.models import CapabilityState

def said(**asked):
    return [
        (one.id, one.msg, one.hint) for one in run_checks(tags=["strangler"], **asked)
        if one.id not in ("strangler.W002",)
    ]

before = said()
from django.apps import apps
others = said(app_configs=[apps.get_app_config("people")])
call_command("migrate", "strangler", verbosity=0)
CapabilityState.objects.create(
    name="sales", stage="replicating", since=timezone.now(), since_revision=1, revision=1
)
control.publish(actor="eve")
print(json.dumps([before, others, said()]))
"""


def test_every_relation_is_found_and_none_within(tmp_path: Path) -> None:
    tangled = Tangled(tmp_path)
    done = tangled.strangler("boundaries", "sales", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)["crossings"]
    for expected, blocks in ((BLOCKING, True), (CODE, False)):
        assert {
            ".".join(filter(None, (one["model"], one["field"]))): (
                one["target"],
                one["kind"],
                one["cuttable"],
            )
            for one in found
            if one["blocks"] is blocks
        } == expected
    assert {one["direction"] for one in found if one["model"].startswith("sales.")} == {"out"}
    assert {one["direction"] for one in found if one["model"].startswith("desk.")} == {"in"}
    assert all(one["remedy"] for one in found)
    assert tangled.strangler("boundaries").returncode == 0, "nobody has begun to climb"


def test_the_checks_warn_at_home_and_refuse_on_the_way(tmp_path: Path) -> None:
    before, others, after = Tangled(tmp_path).python(CHECK)
    assert others == []
    assert [one[0] for one in before].count("strangler.W003") == len(BLOCKING)
    assert [one[0] for one in before].count("strangler.W004") == len(CODE)
    assert [one[0] for one in after].count("strangler.E006") == len(BLOCKING)
    assert [one[0] for one in after].count("strangler.W004") == len(CODE)
    assert len(before) == len(after) == len(BLOCKING) + len(CODE)
    (said,) = [one for one in after if one[1].startswith("sales.Order.customer ")]
    assert said == [
        "strangler.E006",
        f"sales.Order.customer → people.User (foreign key) {CROSSES}",
        "strangler boundaries sales --cut sales.Order.customer",
    ]


def test_the_shop_keeps_its_boundaries() -> None:
    capabilities = load(ROOT / "router" / "capabilities.toml", environ={}).capabilities
    found = {name: boundaries.crossings(one) for name, one in capabilities.items()}
    # Users are Django's own half: whoever uses its admin and its permissions has these.
    assert {one.name for one in found.pop("identity") if one.packaged} == {
        "identity.User.groups",
        "identity.User.user_permissions",
        "admin.LogEntry.user",
    }
    assert {"catalog", "pricing", "inventory", "ordering", "payments"} <= set(found)
    assert not any(found.values())
    assert conf.manifest().capabilities.keys() == capabilities.keys()
    assert checks.boundaries() == []


def test_a_field_that_two_models_inherit_is_not_cut_in_one_of_them(tmp_path: Path) -> None:
    tangled = Tangled(tmp_path)
    more = "class Offer(Placed):\n    pass\n\n\nclass Watch("
    tangled.sales.write_text(tangled.sales.read_text().replace("class Watch(", more))
    done = tangled.strangler("boundaries", "sales", "--json")
    found = [one for one in json.loads(done.stdout)["crossings"] if one["field"] == "origin"]
    assert not any(one["cuttable"] for one in found)
    assert [(one["model"], one["remedy"].partition(":")[0]) for one in found] == [
        ("sales.Offer", "Placed declares it, of which sales.Order is made too"),
        ("sales.Order", "Placed declares it, of which sales.Offer is made too"),
    ]
