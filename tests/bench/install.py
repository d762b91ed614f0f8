"""Installing and updating: ours with every byte verified, uv with a cold and a warm cache, pip."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Cost, cost_of
from tests.bench.ours import SIDES, Project
from tests.bench.steps import Done, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Installs:
    """`project` has both bundles and the delta; `work` keeps uv's warm cache."""

    project: Project
    work: Path

    def steps(self) -> Iterator[Step]:
        yield Step(
            name="install",
            tools={
                "airlock": self.ours,
                "uv pip install, cold cache": lambda place: self.uv(place, "new", place / "uv-cache"),
                "uv pip install, warm cache": lambda place: self.uv(place, "new", self.warm()),
                "pip install": lambda place: self.pip(place, "new"),
            },
        )
        yield Step(
            name="update",
            tools={
                "airlock": self.update_ours,
                "uv pip install, cold cache": self.update_uv_cold,
                "uv pip install, warm cache": self.update_uv_warm,
                "pip install": self.update_pip,
            },
        )

    # --- airlock

    def ours(self, place: Path) -> Done:
        return Done(cost=self._install(place, "new"))

    def update_ours(self, place: Path) -> Done:
        self._install(place, "old")
        delta = str(self.project.delta())
        return Done(cost=self.project.airlock("update", delta, "--root", str(place / "site")))

    def _install(self, place: Path, side: str) -> Cost:
        bundle = str(self.project.bundle(side))
        return self.project.airlock(
            "install", bundle, "--root", str(place / "site"), "--trust", "trust-root.json"
        )

    # --- uv and pip, from a folder of wheels

    def uv(self, place: Path, side: str, cache: Path) -> Done:
        command = ("uv", "pip", "install", "--no-progress", "--offline", "--python", venv(place))
        return Done(cost=cost_of((*command, *self._from(side, place)), place, {"UV_CACHE_DIR": str(cache)}))

    def pip(self, place: Path, side: str) -> Done:
        command = (sys.executable, "-m", "pip", "--python", venv(place), "install", "--quiet")
        return Done(cost=cost_of((*command, *self._from(side, place)), place))

    def _from(self, side: str, place: Path) -> tuple[str, ...]:
        wheels = self.project.wheels(side)
        requirements = place / f"{side}.txt"
        names = ("==".join(wheel.name.split("-")[:2]) for wheel in sorted(wheels.glob("*.whl")))
        requirements.write_text("".join(f"{name}\n" for name in names))
        return ("--no-index", "--no-deps", "--find-links", str(wheels), "-r", str(requirements))

    def warm(self) -> Path:
        cache = self.work / "uv-cache"
        if not cache.exists():
            for side in SIDES:
                place = self.work / f"warm-{side}"
                place.mkdir()
                self.uv(place, side, cache)
        return cache

    def update_uv_cold(self, place: Path) -> Done:
        self.uv(place, "old", self.warm())
        return self.uv(place, "new", place / "uv-cache")

    def update_uv_warm(self, place: Path) -> Done:
        self.uv(place, "old", self.warm())
        return self.uv(place, "new", self.warm())

    def update_pip(self, place: Path) -> Done:
        self.pip(place, "old")
        return self.pip(place, "new")


def venv(place: Path) -> str:
    """The interpreter of the virtual environment in `place`, which is made where there is none."""
    python = place / "venv/bin/python"
    if not python.exists():
        command = ("uv", "venv", "-q", "--python", sys.executable, str(place / "venv"))
        subprocess.run(command, check=True)
    return str(python)
