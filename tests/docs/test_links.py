"""Every link within the repository leads somewhere, and every document is linked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.reading import DOCUMENTS, ROOT, anchors, label, links

OUTSIDE = ("https://", "http://", "mailto:")


@pytest.mark.parametrize("path", DOCUMENTS, ids=label)
def test_links_lead_somewhere(path: Path):
    for link in links(path):
        if link.startswith(OUTSIDE):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{label(path)} links to {link}"
        assert target.is_relative_to(ROOT), f"{label(path)} links out of the repository: {link}"
        if anchor:
            assert anchor in anchors(target), f"{label(path)}: {link} has no such heading"


def test_every_document_can_be_reached_from_the_readme():
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        targets = [(path.parent / link.partition("#")[0]).resolve() for link in links(path)]
        waiting += [one for one in targets if one.suffix == ".md" and one.exists()]

    assert set(DOCUMENTS) <= seen


def test_decisions_are_numbered_without_gaps_and_listed():
    folder = ROOT / "docs" / "decisions"
    records = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    listed = [link for link in links(folder / "README.md") if link[:1].isdigit()]

    assert [path.name[:4] for path in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    assert listed == [path.name for path in records]
    for path in records:
        text = path.read_text()
        title = text.splitlines()[0]
        assert title.startswith(f"# {int(path.name[:4])}. "), path.name
        for part in ("## Context", "## Decision", "## Consequences", "## Rejected"):
            assert f"\n{part}\n" in text, f"{path.name} has no {part}"
        assert re.search(r"^20\d\d-\d\d-\d\d · accepted$", text, re.MULTILINE), path.name
