"""The migration that cuts a foreign key, run on real databases that hold rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.strangler.django.boundaries.project import Tangled

MIGRATIONS = 'call_command("makemigrations", "people", "sales", "desk", verbosity=0)'
MAKE = f"""
{MIGRATIONS}
call_command("migrate", verbosity=0)
de, fr = (Country.objects.create(number=n, code=code) for n, code in ((7, "DE"), (8, "FR")))
label = Label.objects.create(name="gift")
person = Person.objects.create(name="Eve")
card = Card.objects.create(person=person)
for index in range(20):
    user = User.objects.create(email=str(index) + "@shop.example")
    Profile.objects.create(user=user, points=index)
    order = Order.objects.create(
        customer=user, country=fr if index % 3 else de, card=card if index % 2 else None,
        label=label, agent=person, number=index, origin=de,
    )
    order.labels.add(label)
    Ticket.objects.create(order=order, invoice=order if index % 2 else None, reporter=person)
"""
LOOK = """
def look(model):
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        names = [column.name if hasattr(column, "name") else column[0]
                 for column in cursor.description]
        rows = sorted(repr(sorted(zip(names, map(str, row)))) for row in cursor.fetchall())
        columns = {
            one.name: [one.type_code, one.null_ok]
            for one in connection.introspection.get_table_description(cursor, table)
        }
        found = connection.introspection.get_constraints(cursor, table)
    keys = sorted(
        (one["columns"], list(one["foreign_key"])) for one in found.values() if one["foreign_key"]
    )
    others = sorted(
        json.dumps([name if name[:2] != "__" else "", one["columns"], one["unique"],
                    one["primary_key"], one["index"], one["check"]])
        for name, one in found.items()
        if not one["foreign_key"] and (connection.vendor != "sqlite" or not one["check"])
    )
    return {"rows": rows, "columns": columns, "keys": keys, "others": others}

def everything():
    return {model.__name__: look(model) for model in (Order, Profile, Ticket)}
"""
ALL = LOOK + "print(json.dumps(everything()))"
MIGRATE = """
call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
call_command("migrate", verbosity=0)
"""
BACK = """
for app in ("sales", "desk"):
    call_command("migrate", app, "0001", verbosity=0)
"""
FREE = """
with transaction.atomic():
    User.objects.first()._raw_delete = None
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM people_user")
        cursor.execute("DELETE FROM people_country")
assert Order.objects.count() == Profile.objects.count() == 20
assert Order.objects.filter(customer_id__isnull=False, country_id="FR").count() == 13
print(json.dumps(True))
"""
CUTS = {
    "sales.Order.customer": ("Order", "customer_id"),
    "sales.Order.country": ("Order", "land"),
    "sales.Order.card": ("Order", "card_id"),
    "sales.Order.label": ("Order", "label_id"),
    "sales.Order.origin": ("Order", "origin_id"),
    "sales.Profile.user": ("Profile", "user_id"),
    "desk.Ticket.order": ("Ticket", "order_id"),
    "desk.Ticket.invoice": ("Ticket", "invoice_id"),
}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def tangled(request: pytest.FixtureRequest, tmp_path: Path) -> Tangled:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    made = Tangled(tmp_path, url)
    made.python(MAKE)
    return made


@pytest.mark.journey
def test_a_cut_drops_the_constraint_and_nothing_else(tangled: Tangled) -> None:
    before = tangled.python(ALL)
    assert len(before["Order"]["rows"]) == 20
    for name in CUTS:
        tangled.cut(name)
    after = tangled.python(MIGRATE + ALL)
    cut = {(table, column) for table, column in CUTS.values()}
    for table, was in before.items():
        now = after[table]
        assert now["rows"] == was["rows"]
        assert now["columns"] == was["columns"]
        assert now["others"] == was["others"], "every index and unique constraint is there"
        gone = [key for key in was["keys"] if key not in now["keys"]]
        assert {(table, column) for (column,), _ in gone} == {one for one in cut if one[0] == table}
        assert not [key for key in now["keys"] if key not in was["keys"]]

    left = json.loads(tangled.strangler("boundaries", "sales", "--json").stdout)["crossings"]
    assert not {f"{one['model']}.{one['field']}" for one in left} & CUTS.keys()
    assert tangled.python(BACK + ALL) == before, "there and back"
    assert tangled.python(MIGRATE + ALL) == after, "and there again"
    assert tangled.python(FREE) is True, "nothing refuses what a foreign key would"


def test_a_person_is_told_what_is_left_to_do(tmp_path: Path) -> None:
    tangled = Tangled(tmp_path)
    tangled.python(MIGRATIONS)
    done = tangled.strangler("boundaries", "sales", "--cut", "sales.order.customer")
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    for line in (
        "written: tangled/sales/migrations/0002_cut_order_customer.py",
        "+ customer_id = models.UUIDField(db_index=True, help_text='Who pays.')",
        "+ models.UniqueConstraint(fields=('customer_id', 'number'), name='sales_number_once')",
        "+ models.Index(fields=['customer_id', '-number'], name='sales_newest')",
        "+ ordering = ['-customer_id', 'number']",
        "- customer = models.ForeignKey(",
        "Deleting one of people.User deleted its orders too. Nothing does that any more",
        "people.User.purchases is gone: Order.objects.filter(customer_id=…).",
        'tangled/sales/reports.py:11: orders = Order.objects.select_related("customer").filter(',
        "tangled/sales/reports.py:12: names = [order.customer.email for order in orders.order_by(",
        "tangled/sales/reports.py:13: mine = user.purchases.filter(customer_id=user.pk)",
    ):
        assert any(one.startswith(line) for one in lines), done.stdout
    assert "reports.py:14" not in done.stdout
    assert done.stdout.count("models.py:") == 4, "what is told to change is not told twice"
    again = tangled.strangler("boundaries", "sales", "--cut", "sales.Order.customer")
    assert again.returncode == 1
    assert "0002_cut_order_customer has cut sales.Order.customer already" in again.stderr


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Tangled:
    """What refuses writes nothing, so one does for all."""
    made = Tangled(tmp_path_factory.mktemp("refusing"))
    made.python(MIGRATIONS)
    return made


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        (
            "sales.Order.number",
            2,
            "no relation 'sales.Order.number' crosses the boundary of sales:",
        ),
        ("sales.Order.parent", 2, "no relation 'sales.Order.parent' crosses"),
        ("sales.Order.labels", 1, "It has the table sales_order_labels: give that a model"),
        ("sales.Watch.user", 1, "The many-to-many field sales.Order.watchers needs it"),
        ("sales.Remark.content_type", 1, "A generic foreign key needs it"),
        ("sales.Customer.person_ptr", 1, "Half of each row is the parent's"),
        ("sales.Ledger.owner", 1, "drop the constraint by SQL"),
        ("sales.Rating.person", 1, "the ordering of sales.Rating reaches through person"),
        ("sales.Rating.reviewer", 1, "sales_rating_once names reviewer within an expression"),
    ],
)
def test_what_can_t_be_cut_is_refused_with_a_remedy(
    refusing: Tangled, name: str, code: int, said: str
) -> None:
    files = _files(refusing)
    done = refusing.strangler("boundaries", "sales", "--cut", name)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in " ".join(done.stderr.split())
    as_json = refusing.strangler("boundaries", "sales", "--cut", name, "--json")
    assert json.loads(as_json.stdout)["error"] == {1: "NotCut", 2: "UnknownRelation"}[code]
    assert _files(refusing) == files, "nothing was written"


def test_an_app_without_migrations(tmp_path: Path) -> None:
    tangled = Tangled(tmp_path)
    files = _files(tangled)
    done = tangled.strangler("boundaries", "sales", "--cut", "sales.Order.customer")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the app 'sales' has no migrations" in " ".join(done.stderr.split())
    assert _files(tangled) == files, "nothing was written"


def test_a_model_that_its_migrations_do_not_know(tmp_path: Path) -> None:
    tangled = Tangled(tmp_path)
    tangled.python(MIGRATIONS)
    tangled.sales.write_text(tangled.sales.read_text().replace('default="DE"', 'default="FR"'))
    done = tangled.strangler("boundaries", "sales", "--cut", "sales.Order.country")
    assert done.returncode == 1
    assert (
        "sales.Order.country has changed since 0001_initial: manage.py makemigrations"
        in done.stderr
    )


def _files(tangled: Tangled) -> list[Any]:
    return sorted(tangled.project.rglob("*"))
