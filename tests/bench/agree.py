"""Whether we come to the versions of `uv pip compile`: docs/lock-agreement.md.

    python -m tests.bench.agree --work DIR [--sets NAME,…] [--write docs/lock-agreement.md]

Both get the same index, instant, platform, and wheels alone. What DIR has from an earlier run stays; remove DIR/agree to run all
of it again.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.lock import LONGEST, Asked, built, index_at, sets

TARGETS = {
    "linux": ("manylinux_2_28_x86_64", "x86_64-manylinux_2_28"),
    "arm": ("manylinux_2_28_aarch64", "aarch64-manylinux_2_28"),
    "windows": ("win_amd64", "x86_64-pc-windows-msvc"),
}
"""Ours and uv's. Linux has the Python of the set, the others its Python elsewhere."""
REASONS = Path("fixtures/lock-differences.toml")
BEGIN, END = "<!-- agreement -->\n", "<!-- /agreement -->\n"
NO_ANSWER = 3
"""Our exit code."""
Outcome = dict[str, Any]


def ours(asked: Asked, python: str, platform: str, index: str, folder: Path) -> Outcome:
    (folder / "airlock.toml").write_text(
        '[project]\nname = "set"\nversion = "1"\n\n[[target]]\nname = "site"\n'
        f'python = "{python}"\nplatform = "{platform}"\n\n[[index]]\nname = "default"\nurl = "{index}"\n\n'
        f"[python]\nexclude-newer = {asked.cutoff}\nrequirements = {json.dumps(asked.requirements)}\n"
        f"[python.build]\nalways = {json.dumps(asked.builds)}\n"
    )
    lock = folder / "airlock.lock"
    lock.unlink(missing_ok=True)
    environment = {"AIRLOCK_CACHE": str(folder.parent / "cache-airlock")}
    found = ran([sys.executable, "-m", "airlock", "lock"], folder, environment)
    rows = tomllib.loads(lock.read_text())["artifacts"] if lock.exists() else []
    return found | {"pins": {row["name"]: row["version"] for row in rows if row.get("targets")}}


def theirs(asked: Asked, python: str, platform: str, index: str, folder: Path) -> Outcome:
    (folder / "requirements.in").write_text("\n".join(asked.requirements) + "\n")
    out = folder / "out.txt"
    out.unlink(missing_ok=True)
    command = [str(Path(sys.executable).parent / "uv"), "pip", "compile", "requirements.in", "-o", out.name]
    command += ["--python-version", python, "--python-platform", platform, "--exclude-newer", asked.cutoff]
    command += ["--index-url", index, "--only-binary", ":all:", "--no-annotate", "--no-header", "-q"]
    command += built("--no-binary", asked)
    found = ran(command, folder, {"UV_CACHE_DIR": str(folder.parent / "cache-uv")})
    lines = out.read_text().splitlines() if out.exists() else []
    return found | {"pins": dict(line.split("==") for line in lines if "==" in line)}


def ran(command: list[str], folder: Path, environment: dict[str, str]) -> Outcome:
    start = time.perf_counter()
    try:
        run = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"rc": "timeout", "err": "", "wall": LONGEST}
    return {
        "rc": run.returncode,
        "err": run.stderr[:500] + run.stderr[-2500:],
        "wall": time.perf_counter() - start,
    }


def outcome(side: str, asked: Asked, target: str, index: str, work: Path) -> Outcome:
    kept = work / side / f"{asked.name}.{target}.json"
    if not kept.exists():
        our_platform, their_platform = TARGETS[target]
        python = asked.python if target == "linux" else asked.elsewhere
        folder = work / side / f"{asked.name}.{target}"
        folder.mkdir(parents=True, exist_ok=True)
        run, platform = (ours, our_platform) if side == "ours" else (theirs, their_platform)
        found = run(asked, python, platform, index, folder)
        kept.write_text(json.dumps(found))
    return dict(json.loads(kept.read_text()))


def differences(mine: Outcome, other: Outcome) -> dict[str, tuple[str | None, str | None]]:
    left, right = mine.get("pins", {}), other.get("pins", {})
    pairs = {name: (left.get(name), right.get(name)) for name in sorted(left.keys() | right.keys())}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def row(asked: Asked, found: dict[str, tuple[Outcome, Outcome]], reasons: dict[str, str]) -> Iterator[str]:
    cells, notes = [], []
    for target, (mine, other) in found.items():
        solved = [one["rc"] == 0 for one in (mine, other)]
        different = differences(mine, other)
        if not any(solved):
            finished = mine["rc"] == NO_ANSWER and "No solution found" in other["err"]
            cells.append("no answer, as uv" if finished else "**not finished**")
            if not finished:
                notes.append(f"- {asked.name}, {target}: {_reason(asked, target, reasons)}")
        elif all(solved) and not different:
            cells.append(f"same {len(mine['pins'])}")
        else:
            cells.append(f"**{len(different)} differ**" if all(solved) else "**one has an answer**")
            pairs = ", ".join(
                f"{name} {a or 'none'} (uv: {b or 'none'})" for name, (a, b) in different.items()
            )
            told = f"{pairs}. " if all(solved) else ""
            notes.append(f"- {asked.name}, {target}: {told}{_reason(asked, target, reasons)}")
    pythons = ", ".join(dict.fromkeys([asked.python, asked.elsewhere]))
    yield f"| {asked.name} | {pythons} | {asked.cutoff[:10]} | {' | '.join(cells)} |"
    yield from notes


def _reason(asked: Asked, target: str, reasons: dict[str, str]) -> str:
    return reasons.get(f"{asked.name}.{target}") or reasons.get(asked.name) or "not explained yet"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sets", metavar="NAME,…", help="default: all")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    reasons = tomllib.loads(REASONS.read_text())
    rows, notes = [], []
    with index_at(work / "upstream", 0) as index:
        for name, asked in sets().items():
            if arguments.sets and name not in arguments.sets.split(","):
                continue
            found = {
                target: (
                    outcome("ours", asked, target, index, work / "agree"),
                    outcome("uv", asked, target, index, work / "agree"),
                )
                for target in TARGETS
            }
            first, *more = row(asked, found, reasons)
            print(first, *more, sep="\n", flush=True)
            rows.append(first)
            notes += more
    if arguments.write:
        head = ["| set | Python | instant | linux | arm | windows |", "|---|---|---|---|---|---|"]
        text = "\n".join([*head, *rows, "", *notes]) + "\n"
        document = arguments.write.read_text()
        before, after = document.partition(BEGIN)[0], document.partition(END)[2]
        arguments.write.write_text(f"{before}{BEGIN}{text}{END}{after}")


if __name__ == "__main__":
    main()
