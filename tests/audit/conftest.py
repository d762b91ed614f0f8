"""What is audited."""

from pathlib import Path

import pytest

from tests.audit.plant import Plant


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(folder=tmp_path.resolve())
