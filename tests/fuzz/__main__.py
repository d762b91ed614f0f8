"""`python -m tests.fuzz`: each target for so many seconds, two at a time. Finds go to `fixtures/fuzz/TARGET`."""

import argparse
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOUND = Path(__file__).parents[2] / "fixtures" / "fuzz"
MEMORY = 2048
"""MB that a target may take, the fuzzer's own included."""
SLOW = 30
"""Seconds after which one input is a hang."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="all where none is named")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default 600)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at once (default 2)")
    parser.add_argument("--work", type=Path, default=Path("fuzz-work"), help="where corpora grow")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return _fuzz(arguments.targets[0], arguments.seconds, arguments.work)
    from tests.fuzz.targets import targets

    names = arguments.targets or sorted(targets())
    with ThreadPoolExecutor(arguments.jobs) as pool:
        failed = sum(pool.map(lambda name: _run(name, arguments), names))
    print(f"{len(names)} targets, {failed} with finds", file=sys.stderr)
    return min(failed, 1)


def _run(name: str, arguments: argparse.Namespace) -> int:
    """The fuzzer ends its process, so each target has one of its own."""
    arguments.work.mkdir(parents=True, exist_ok=True)
    log = arguments.work / f"{name}.log"
    command = [sys.executable, "-m", "tests.fuzz", name, "--one"]
    command += ["--seconds", str(arguments.seconds), "--work", str(arguments.work)]
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT).returncode
    last = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("Done ")]
    print(f"{name:<14} {'ok' if code == 0 else f'FOUND, see {log}'} {last[-1] if last else ''}", flush=True)
    return int(code != 0)


def _fuzz(name: str, seconds: int, work: Path) -> int:
    import atheris

    with atheris.instrument_imports(include=["airlock"]):
        _import_all()
        from tests.fuzz.seeds import seeds
        from tests.fuzz.targets import run, targets
    target = targets()[name]
    corpus, found = work / name, FOUND / name
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-rss_limit_mb={MEMORY}", f"-timeout={SLOW}", "-max_len=32768"]
    options += [f"-artifact_prefix={found}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus), str(found)], lambda data: run(target, data))
    atheris.Fuzz()
    return 0


def _import_all() -> None:
    """What is imported later, as most commands do, would not be watched."""
    import pkgutil
    from importlib import import_module

    import airlock

    for module in pkgutil.walk_packages(airlock.__path__, "airlock."):
        if not module.name.startswith(("airlock.cli", "airlock.__main__", "airlock.net")):
            import_module(module.name)


if __name__ == "__main__":
    sys.exit(main())
