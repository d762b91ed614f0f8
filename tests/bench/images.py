"""Deltas of container images and of Debian packages, ours and zstd's: `just bench-images`, as root, where apt reaches its mirrors.

A root of the release that apt is configured for is debootstrapped from its main suite alone, and upgraded in a copy from the
security suite; images are made of both in several shapes, by skopeo, umoci, and, where `go` is installed, by Go's own gzip.
Nothing here is dated: what the two suites hold decides the figures.
"""

import argparse
import json
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.image_shapes import by_go, by_skopeo, by_umoci, mirrors, tars
from tests.bench.measure import Cost, cost_of
from tests.bench.ours import AIRLOCK, SIDES, VERSIONS
from tests.bench.report import table
from tests.bench.sizes import sha256_of, size_of

PACKAGES = ("nginx",)
MANIFEST = """\
[project]
name = "corpus"
version = "{version}"

[[target]]
name = "site"
python = "3.11"
platform = "manylinux_2_36_x86_64"
prefix = "/opt/corpus"

"""
FIGURES = (
    "changed, bytes",
    "airlock",
    "of the changed",
    "zstd",
    "of the changed",
    "made, s",
    "zstd, s",
    "applied, s",
)
Writer = Callable[[Sequence[Path], Path], None]
Files = Mapping[str, Path]


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    changed: int
    """Bytes of the layers or packages that the new side has and the old one has not."""
    ours: int
    zstd: int
    """Bytes of what `zstd -19 --long=31 --patch-from` makes of each, against the old one that is most like it."""
    made: float
    zstd_made: float
    applied: float
    """Seconds; the bundle that comes out is compared with the one that was built."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.images")
    parser.add_argument(
        "--work", type=Path, required=True, metavar="DIR", help="roots and caches are kept here"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    work: Path = arguments.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for row in measured(work):
        rows.append(row)
        print(row, file=sys.stderr, flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print("\n".join(report(rows)))


def measured(work: Path) -> Iterator[Row]:
    old, new, upgrade = tars(work)
    yield image("one layer, upgraded; skopeo", work, ([old], [new]), by_skopeo)
    yield image("upgrades as a layer on top; skopeo", work, ([old], [old, upgrade]), by_skopeo)
    yield image("two layers made one; skopeo", work, ([old, upgrade], [new]), by_skopeo)
    yield image("one layer, upgraded; umoci", work, ([old], [new]), by_umoci)
    if shutil.which("go"):
        yield image("one layer, upgraded; Go's gzip", work, ([old], [new]), by_go)
    yield packages(work)


def image(name: str, work: Path, sides: tuple[list[Path], list[Path]], write: Writer) -> Row:
    place = fresh(work / "run")
    blobs: dict[str, Files] = {}
    for side, layers in zip(SIDES, sides, strict=True):
        write(layers, place / f"{side}-layout")
        project(place, side, f'[[image]]\npath = "{side}-layout"\ntag = "v"\nname = "corpus"\n', work)
        blobs[side] = {path.name: path for path in (place / f"{side}-layout/blobs/sha256").iterdir()}
    largest = max(blobs["old"].values(), key=size_of)
    return compared(name, place, work, [(largest, path) for path in fresh_of(blobs).values()])


def packages(work: Path) -> Row:
    place = fresh(work / "run")
    main, *others = mirrors()
    files: dict[str, Files] = {}
    names: dict[str, Path] = {}
    for side, suites in (("old", [main]), ("new", [main, *others])):
        section = f'[[deb]]\nsuites = {json.dumps(suites)}\npackages = {json.dumps(PACKAGES)}\nbase = "empty"\nmode = "prefix"\n'
        project(place, side, section, work)
        rows = [
            row
            for row in tomllib.loads((place / f"{side}.lock").read_text())["artifacts"]
            if row["file"].endswith(".deb")
        ]
        files[side] = {row["sha256"]: stored(work, row["sha256"]) for row in rows}
        names |= {row["name"]: stored(work, row["sha256"]) for row in rows if side == "old"}
        called = {row["sha256"]: row["name"] for row in rows}
    new = fresh_of(files)
    pairs = [(names[called[digest]], path) for digest, path in new.items() if called[digest] in names]
    return compared("nginx and what it needs, security updates", place, work, pairs)


def fresh_of(files: Mapping[str, Files]) -> Files:
    return {digest: path for digest, path in files["new"].items() if digest not in files["old"]}


def stored(work: Path, digest: str) -> Path:
    return work / "cache/store/sha256" / digest[:2] / digest


def project(place: Path, side: str, section: str, work: Path) -> None:
    (place / f"{side}.toml").write_text(MANIFEST.format(version=VERSIONS[side]) + section)
    airlock(place, work, "lock", "--manifest", f"{side}.toml")
    airlock(place, work, "build", "--lock", f"{side}.lock")


def airlock(place: Path, work: Path, *arguments: str) -> Cost:
    return cost_of((*AIRLOCK, *arguments), place, {"AIRLOCK_CACHE": str(work / "cache")})


def compared(name: str, place: Path, work: Path, pairs: Sequence[tuple[Path, Path]]) -> Row:
    made = airlock(place, work, "delta", "old.lock", "new.lock", "--offline")
    old, new = (next((place / "dist").glob(f"*-{VERSIONS[side]}-*.airlock")) for side in SIDES)
    (update,) = (place / "dist").glob("*.airdelta")
    applied = airlock(place, work, "apply", str(old), str(update), "-o", "restored")
    if sha256_of(place / "restored") != sha256_of(new):
        sys.exit(f"{name}: not restored")
    patches = [patch(place, number, *pair) for number, pair in enumerate(pairs)]
    return Row(
        name=name,
        changed=sum(size_of(path) for _, path in pairs),
        ours=size_of(update),
        zstd=sum(size for size, _ in patches),
        made=made.wall,
        zstd_made=sum(cost.wall for _, cost in patches),
        applied=applied.wall,
    )


def patch(place: Path, number: int, old: Path, new: Path) -> tuple[int, Cost]:
    path = place / f"{number}.zst"
    command = ("zstd", "-19", "--long=31", "-qf", f"--patch-from={old}", str(new), "-o", str(path))
    cost = cost_of(command, place)
    return size_of(path), cost


def fresh(place: Path) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def report(rows: Sequence[Row]) -> Iterator[str]:
    heads = ("", *map(">{}".format, FIGURES))
    yield from table(heads, (cells(row) for row in rows))


def cells(row: Row) -> Sequence[str]:
    return (
        row.name,
        f"{row.changed:,}",
        f"{row.ours:,}",
        f"{row.ours / row.changed:.1%}",
        f"{row.zstd:,}",
        f"{row.zstd / row.changed:.1%}",
        f"{row.made:.1f}",
        f"{row.zstd_made:.1f}",
        f"{row.applied:.1f}",
    )


if __name__ == "__main__":
    main()
