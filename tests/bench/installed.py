"""Whether pip installs our locks and finds nothing wrong with them: docs/lock-agreement.md.

    python -m tests.bench.installed --work DIR [--sets NAME,…] [--write docs/lock-agreement.md]

Takes the locks that `tests.bench.agree` left in DIR for Linux, with an empty cache, so that what was built is built again. The
Python of each set has to be on PATH. What DIR has from an earlier run stays; remove DIR/installed to run all of it again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.lock import Asked, index_at, sets

BEGIN, END = "<!-- installed -->\n", "<!-- /installed -->\n"
CLEAN = "No broken requirements found."


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, metavar="DIR")
    parser.add_argument("--sets", metavar="NAME,…", help="default: all")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    work = arguments.work.absolute()
    found: dict[str, str] = {}
    with index_at(work / "upstream", 0) as index:
        for name, asked in sets().items():
            lock = work / "agree" / "ours" / f"{name}.linux" / "airlock.lock"
            if lock.exists() and (not arguments.sets or name in arguments.sets.split(",")):
                found[name] = _kept(asked, lock, work / "installed", index)
                print(name, found[name], flush=True)
    if arguments.write:
        document = arguments.write.read_text()
        before, after = document.partition(BEGIN)[0], document.partition(END)[2]
        arguments.write.write_text(f"{before}{BEGIN}{_told(found)}{END}{after}")


def _kept(asked: Asked, lock: Path, work: Path, index: str) -> str:
    record = work / f"{asked.name}.json"
    if not record.exists():
        work.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            record.write_text(json.dumps(_installed(asked, lock, Path(folder), index)))
    return str(json.loads(record.read_text()))


def _installed(asked: Asked, lock: Path, folder: Path, index: str) -> str:
    """What pip check says of it, or what failed before."""
    python = "python" + ".".join(asked.python.split(".")[:2])
    if shutil.which(python) is None:
        return f"{python} is not here"
    manifest = lock.with_name("airlock.toml").read_text().splitlines(keepends=True)
    moved = (f'url = "{index}"\n' if line.startswith("url = ") else line for line in manifest)
    (folder / "airlock.toml").write_text("".join(moved))
    shutil.copy(lock, folder)
    wheels, target = folder / "wheels", folder / "venv"
    commands = (
        [sys.executable, "-m", "airlock", "export", "airlock.lock", "--wheels", str(wheels)],
        [python, "-m", "venv", "--without-pip", str(target)],
        [sys.executable, "-m", "pip", "--python", str(target), "install", "--no-index", "--no-deps"],
        [sys.executable, "-m", "pip", "--python", str(target), "check"],
    )
    commands[0].extend(("--format", "requirements"))
    commands[2].extend(("--require-hashes", "-r", str(wheels / "requirements.txt")))
    for command in commands:
        done = _run(command, folder)
        if done.returncode:
            break
    lines = (done.stdout + done.stderr).strip().splitlines()
    return "; ".join(lines[-6:]) if lines else f"exit {done.returncode}"


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AIRLOCK_CACHE": str(folder / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _told(found: dict[str, str]) -> str:
    clean = [name for name, said in found.items() if said == CLEAN]
    lines = [f"Installed, and clean: {', '.join(clean)}.", ""]
    lines += [f"- {name}: {said}" for name, said in found.items() if said != CLEAN]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
