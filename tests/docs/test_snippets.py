"""Snippets in the documentation that are no commands: they are read by what would read them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.docs.reading import DOCUMENTS, Block, blocks, label

KNOWN = {"console", "json", "mermaid", "python", "text", "toml"}
SNIPPETS = [
    pytest.param(path, block, id=f"{label(path)}:{block.line}")
    for path in DOCUMENTS
    for block in blocks(path)
]


@pytest.mark.parametrize(("path", "block"), SNIPPETS)
def test_a_snippet_is_what_it_says(path: Path, block: Block):
    assert block.language in KNOWN, f"{label(path)}:{block.line}"
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "python":
        # What is a file is run by the commands around it.
        assert block.file, f"{label(path)}:{block.line}: say in which file this stands"
        compile(block.text, block.file, "exec")
