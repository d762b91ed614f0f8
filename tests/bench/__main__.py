"""The journey's application: lock, build, delta, install and update against uv, pip and zstd.

`python -m tests.bench [--rounds N] [--directory DIR] [--output FILE]`. Every round runs ours and the peers' in turn, so
that noise meets both; figures are medians.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Cost, cost_of, median_cost

FIXTURES = Path(__file__).parents[2] / "fixtures"
AIRLOCK = (sys.executable, "-m", "airlock")
UV = ("uv", "--no-progress")
BUNDLES = tuple(f"plant-gateway-{version}-plant.airlock" for version in ("1.0.0", "2.0.0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that several tools do. Each runner is called once a round with a fresh directory."""

    name: str
    ours: Callable[[Path], Cost]
    peers: Mapping[str, Callable[[Path], Cost]]


class Bench:
    def __init__(self, work: Path) -> None:
        self.work = work
        self.fresh_count = 0
        shutil.copytree(FIXTURES, work, dirs_exist_ok=True)
        self.near = {"AIRLOCK_CACHE": str(work / "cache")}
        self.prepare()

    def airlock(self, *arguments: str, directory: Path | None = None, cache: Path | None = None) -> Cost:
        environment = self.near | ({"AIRLOCK_CACHE": str(cache)} if cache else {})
        return cost_of((*AIRLOCK, *arguments), directory or self.work, environment)

    def prepare(self) -> None:
        """Everything that is not measured: both bundles signed, the delta, the wheels, requirement files."""
        for release in ("v1", "v2"):
            self.airlock("build", "--lock", f"{release}.lock")
        self.airlock("key", "new", "root")
        self.airlock("key", "new", "release")
        self.airlock(
            "trust", "init", "--root", "root.key", "--release", "release.pub", "-o", "trust-root.json"
        )
        for number, bundle in enumerate(BUNDLES, 1):
            self.airlock("sign", f"dist/{bundle}", "--key", "release.key")
            self.airlock("export", f"dist/{bundle}", "--wheels", f"wheels{number}")
        self.requirements()

    def requirements(self) -> None:
        for number in (1, 2):
            manifest = tomllib.loads((self.work / f"v{number}.toml").read_text())
            project = tomllib.loads((self.work / f"plant-{number}/pyproject.toml").read_text())
            wanted = [*manifest["python"]["requirements"], *project["project"]["dependencies"]]
            (self.work / f"requirements{number}.in").write_text("\n".join(wanted) + "\n")
            wheels = sorted((self.work / f"wheels{number}").glob("*.whl"))
            names = ["==".join(wheel.name.split("-")[:2]) for wheel in wheels]
            (self.work / f"requirements{number}.txt").write_text("\n".join(names) + "\n")

    def fresh(self, prefix: str) -> Path:
        self.fresh_count += 1
        path = self.work / f"{prefix}-{self.fresh_count}"
        path.mkdir()
        return path

    # --- lock

    def lock_ours(self, place: Path) -> Cost:
        shutil.copytree(FIXTURES, place / "project")
        (place / "project/v2.lock").unlink()
        return self.airlock(
            "lock", "--manifest", "v2.toml", directory=place / "project", cache=place / "cache"
        )

    def lock_uv(self, place: Path) -> Cost:
        cutoff = tomllib.loads((self.work / "v2.toml").read_text())["python"]["exclude-newer"].isoformat()
        options = (
            "--python-version",
            "3.11",
            "--python-platform",
            "x86_64-manylinux_2_28",
            "--only-binary",
            ":all:",
        )
        return cost_of(
            (
                *UV,
                "pip",
                "compile",
                *options,
                "--generate-hashes",
                "--exclude-newer",
                cutoff,
                str(self.work / "requirements2.in"),
            ),
            place,
            {"UV_CACHE_DIR": str(place / "uv-cache")},
        )

    # --- build

    def build_cold(self, place: Path) -> Cost:
        shutil.copytree(self.work / "cache/store", place / "cache/store")
        return self.airlock(
            "build", "--offline", "--lock", "v2.lock", "-o", str(place), cache=place / "cache"
        )

    def build_warm(self, place: Path) -> Cost:
        return self.airlock("build", "--offline", "--lock", "v2.lock", "-o", str(place))

    def tar_zstd(self, place: Path) -> Cost:
        return cost_of(
            ("sh", "-c", f"tar -C {self.work}/wheels2 -cf - . | zstd -19 --long=27 -q -o w.tar.zst"), place
        )

    # --- install and update

    def install_ours(self, place: Path) -> Cost:
        return self.airlock(
            "install", f"dist/{BUNDLES[0]}", "--root", str(place / "site"), "--trust", "trust-root.json"
        )

    def update_ours(self, place: Path) -> Cost:
        self.install_ours(place)
        return self.airlock("update", str(self.delta), "--root", str(place / "site"))

    def venv(self, place: Path) -> str:
        subprocess.run(("uv", "venv", "-q", "--python", "3.11", str(place / "venv")), check=True)
        return str(place / "venv/bin/python")

    def install_uv(self, place: Path, number: int = 1) -> Cost:
        python = self.venv(place) if not (place / "venv").exists() else str(place / "venv/bin/python")
        return cost_of(
            (
                *UV,
                "pip",
                "install",
                "--python",
                python,
                "--offline",
                "--no-index",
                "--no-deps",
                "--find-links",
                f"{self.work}/wheels{number}",
                "-r",
                f"{self.work}/requirements{number}.txt",
            ),
            place,
            {"UV_CACHE_DIR": str(self.fresh("uv-cache"))},
        )

    def install_pip(self, place: Path, number: int = 1) -> Cost:
        if not (place / "venv").exists():
            self.venv(place)
        return cost_of(
            (
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(place / "venv/bin/python"),
                "install",
                "-q",
                "--no-index",
                "--no-deps",
                "--find-links",
                f"{self.work}/wheels{number}",
                "-r",
                f"{self.work}/requirements{number}.txt",
            ),
            place,
        )

    def update_uv(self, place: Path) -> Cost:
        self.install_uv(place)
        return self.install_uv(place, 2)

    def update_pip(self, place: Path) -> Cost:
        self.install_pip(place)
        return self.install_pip(place, 2)

    # --- delta

    @property
    def delta(self) -> Path:
        return next((self.work / "dist").glob("*.airdelta"))

    def delta_ours(self, _: Path) -> Cost:
        return self.airlock("delta", "v1.lock", "v2.lock", "--offline", "--signed", f"dist/{BUNDLES[1]}")

    def apply_ours(self, place: Path) -> Cost:
        return self.airlock(
            "apply", f"dist/{BUNDLES[0]}", str(self.delta), "-o", str(place / "restored.airlock")
        )

    def delta_zstd(self, place: Path) -> Cost:
        for number in (1, 2):
            tar = f"tar --sort=name --mtime=@0 --owner=0 --group=0 -C {self.work}/wheels{number} -cf w{number}.tar ."
            subprocess.run(("sh", "-c", tar), cwd=place, check=True)
        cost = cost_of(
            ("zstd", "-19", "--long=31", "-q", "-f", "--patch-from=w1.tar", "w2.tar", "-o", "patch.zst"),
            place,
        )
        shutil.copy(place / "patch.zst", self.work / "patch.zst")
        return cost

    def apply_zstd(self, place: Path) -> Cost:
        tar = f"tar --sort=name --mtime=@0 --owner=0 --group=0 -C {self.work}/wheels1 -cf w1.tar ."
        subprocess.run(("sh", "-c", tar), cwd=place, check=True)
        return cost_of(
            (
                "zstd",
                "-d",
                "--long=31",
                "-q",
                "--patch-from=w1.tar",
                str(self.work / "patch.zst"),
                "-o",
                "w2.tar",
            ),
            place,
        )

    def steps(self) -> Iterator[tuple[Step, int]]:
        """Each step, and whether it is run only once because it is slow."""
        yield Step(name="delta", ours=self.delta_ours, peers={"zstd -19 --patch-from": self.delta_zstd}), 1
        yield Step(name="apply", ours=self.apply_ours, peers={"zstd -d --patch-from": self.apply_zstd}), 0
        yield Step(name="lock, cold", ours=self.lock_ours, peers={"uv pip compile": self.lock_uv}), 0
        yield Step(name="build, cold", ours=self.build_cold, peers={"tar and zstd -19": self.tar_zstd}), 1
        yield Step(name="build, warm", ours=self.build_warm, peers={}), 0
        peers = {"uv pip install": self.install_uv, "pip install": self.install_pip}
        yield Step(name="install", ours=self.install_ours, peers=peers), 0
        yield (
            Step(
                name="update",
                ours=self.update_ours,
                peers={"uv pip install": self.update_uv, "pip": self.update_pip},
            ),
            0,
        )

    def sizes(self) -> Iterator[str]:
        wheels = sum(path.stat().st_size for path in (self.work / "wheels2").glob("*.whl"))
        bundle = (self.work / "dist" / BUNDLES[1]).stat().st_size
        delta, peer = self.delta.stat().st_size, (self.work / "patch.zst").stat().st_size
        yield "| what | bytes | against |"
        yield "|---|---:|---|"
        yield f"| wheels of release 2 ({len(list((self.work / 'wheels2').glob('*.whl')))}) | {wheels:,} | |"
        yield f"| bundle | {bundle:,} | {bundle / wheels:.1%} of the wheels |"
        yield f"| `zstd -19 --long=31 --patch-from` on tars of the wheels | {peer:,} | {peer / wheels:.1%} of the wheels |"
        yield f"| delta | {delta:,} | {delta / peer:.1%} of zstd's, {delta / wheels:.1%} of the wheels |"


def rounds_of(bench: Bench, step: Step, rounds: int) -> Iterator[tuple[str, Cost]]:
    runners = {"airlock": step.ours, **step.peers}
    found: dict[str, list[Cost]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            place = bench.fresh("round")
            found[name].append(runner(place))
            shutil.rmtree(place)
    for name, costs in found.items():
        yield name, median_cost(costs)


def report(bench: Bench, rounds: int) -> Iterator[str]:
    rows = [
        "| step | tool | wall s | CPU s | peak memory MB | wall, ours = 1 |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for step, once in bench.steps():
        results = dict(rounds_of(bench, step, 1 if once else rounds))
        for name, cost in results.items():
            ratio = cost.wall / results["airlock"].wall
            rows.append(
                f"| {step.name} | {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory / 1e6:.0f} | {ratio:.2f} |"
            )
            print(rows[-1], file=sys.stderr, flush=True)
    yield from bench.sizes()
    yield ""
    yield from rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="just bench")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        print("\n".join(report(bench, arguments.rounds)))


if __name__ == "__main__":
    main()
