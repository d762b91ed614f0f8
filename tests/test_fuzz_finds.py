"""Every input that fuzzing once stumbled on, and the seeds it begins with, played back."""

from pathlib import Path

import pytest

from tests.fuzz.seeds import seeds
from tests.fuzz.targets import joined, parts, run, targets

FOUND = Path(__file__).parents[1] / "fixtures" / "fuzz"


@pytest.mark.parametrize("name", sorted(targets()))
def test_seeds_are_taken(name: str) -> None:
    """Not only survived: a seed is what its decoder is for."""
    found = seeds(name)
    assert found
    for seed in found:
        run(targets()[name], seed)


@pytest.mark.parametrize(
    "path", sorted(FOUND.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name[:20]}"
)
def test_finds_stay_mended(path: Path) -> None:
    run(targets()[path.parent.name], path.read_bytes())


def test_cutting_undoes_joining() -> None:
    pieces = [b"", b"one", b"two" * 100]
    assert parts(joined(*pieces)) == pieces
