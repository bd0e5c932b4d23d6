"""Both arms, started once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.parity.arms import Arms, running


@pytest.fixture(scope="session")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arms]:
    with running(tmp_path_factory.mktemp("arms")) as found:
        yield found
