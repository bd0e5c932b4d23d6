"""What Prometheus is told, and that no client can make it tell more."""

from __future__ import annotations

import time

from prometheus_client.parser import text_string_to_metric_families

from tests.strangler.fastapi.running import Party, Service, ask

Labels = tuple[str, str, str, str]


def counted(garden: Service) -> dict[Labels, float]:
    time.sleep(0.1)  # notes are taken in batches
    text = garden.get("/metrics").body.decode()
    return {
        tuple(sample.labels[name] for name in ("method", "route", "call", "status")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "strangler_requests_total"
    }  # type: ignore[misc]  # as many labels as Labels has


PORT = "/_strangler/ports/{capability}/{method}"


def test_requests_are_counted_by_template_and_calls_by_name(garden: Service, edge: Party):
    before = counted(garden)
    for name in ("fig", "elm", "oak"):
        edge.ask("GET", f"/api/garden/plants/{name}")
        edge.call("look", {"name": name})
        edge.call(f"dig_{name}")
        edge.ask("GET", f"/api/garden/{name}")
        ask(garden.url, "GET", f"/{name}")
        ask(garden.url, "PROPFIND", f"/{name}")
    edge.ask("POST", "/api/garden/look", b'{"name":"fig"}')
    edge.ask("GET", "/api/garden/look")
    garden.get("/readyz")
    after = counted(garden)
    assert {key: value - before.get(key, 0) for key, value in after.items()
            if value != before.get(key) and key[1] != "/metrics"} == {
        ("GET", "/api/garden/plants/{name}", "", "200"): 3,
        ("POST", PORT, "garden.look", "200"): 3,
        ("POST", PORT, "unknown", "404"): 3,
        ("GET", "unmatched", "", "404"): 6,
        ("other", "unmatched", "", "404"): 3,
        ("POST", "/api/garden/look", "", "200"): 1,
        ("GET", "/api/garden/look", "", "405"): 1,
        ("GET", "/readyz", "", "200"): 1,
    }  # fmt: skip


def test_the_rest_is_there(garden: Service):
    text = garden.get("/metrics").body.decode()
    for name in (
        "strangler_request_seconds_bucket", "strangler_requests_in_flight 1.0",
        "strangler_pool_calls 0.0", "strangler_pool_threads 20.0",
        "strangler_pool_waiting_limit 40.0", "process_cpu_seconds_total",
    ):  # fmt: skip
        assert name in text
