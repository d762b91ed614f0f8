import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.ground import Ground, Keys, copied, template
from tests.far.bundles import NOW

_MADE: dict[int, Ground] = {}


@pytest.fixture
def grounds(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Ground]:
    """A fresh machine whose site demands so many signatures, with nothing but itself to write to."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(NOW))
    monkeypatch.setenv("AIRLOCK_CACHE", str(tmp_path / "cache"))

    def make(threshold: int) -> Ground:
        if threshold not in _MADE:
            folder = tmp_path_factory.mktemp("template") / "machine"
            _MADE[threshold] = template(folder, Keys(threshold=threshold))
        ground = copied(_MADE[threshold], tmp_path / "machine")
        monkeypatch.setattr(tempfile, "tempdir", str(ground.machine / "tmp"))
        return ground

    return make


@pytest.fixture
def ground(grounds: Callable[[int], Ground]) -> Ground:
    return grounds(1)
