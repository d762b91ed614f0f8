# Everything runs in .venv, which `just setup` makes.

set shell := ["bash", "-euo", "pipefail", "-c"]
export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

default:
    @just --list

# Make .venv with airlock and what its checks need.
setup:
    test -x .venv/bin/python || python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'

# Style, types, layers, tests: what every commit passes.
check: lint test

lint:
    ruff check .
    ruff format --check .
    mypy
    lint-imports

test *ARGS:
    pytest -n auto {{ARGS}}

# What the journey's real application must show, with PyPI; minutes.
acceptance:
    pytest -m live -p no:randomly -x -s

# Every step of every command interrupted, on 24 packages (of two folders of wheels, or made): `just survival cut OLD NEW`; also full, broken, kill.
survival *ARGS:
    python -m tests.far.survive {{ARGS}}

# Put the style in order.
fix:
    ruff check --fix .
    ruff format .

# The whole journey on real input, as README tells it.
journey *ARGS:
    sh fixtures/journey.sh {{ARGS}}

# airlock's own kit, made of airlock.lock: twice, and compared with its golden digests; with PyPI. `--write` records them anew.
golden *ARGS:
    python -m tests.kit.golden {{ARGS}}

# What the benchmarks run beside airlock: from Debian and from PyPI. As root.
bench-tools:
    apt-get update -qq
    apt-get install -y -qq zstd xdelta3 bsdiff casync zchunk unzip
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'

# Bundles, installs, updates and verifying of a corpus (default: design), and discs, ours and the peers' in one run: docs/benchmarks.md.
bench *ARGS:
    python -m tests.bench bundle {{ARGS}}

# Deltas of a corpus, or between two locks or files of pins, ours and the peers' in one run: docs/benchmarks.md.
bench-delta *ARGS:
    python -m tests.bench delta {{ARGS}}

# Deltas of images and of Debian packages, ours and zstd's, as root, with apt's mirrors: `just bench-images --work DIR`; docs/benchmarks.md.
bench-images *ARGS:
    python -m tests.bench.images {{ARGS}}

# Build well-known projects that have only an sdist, twice each, with PyPI; minutes: docs/sdists.md.
sdists *ARGS:
    python -m tests.sdist_table {{ARGS}}

# Build the native crate again, after a change to it.
native:
    python -m pip install --quiet --disable-pip-version-check --no-deps -e .

# Fuzz every decoder, ten minutes each: `just fuzz tree --seconds 60` for one. Linux only.
fuzz *ARGS:
    pip install --quiet --disable-pip-version-check atheris
    python -m tests.fuzz {{ARGS}}

# Run what docs/trust.md says, and write down what it prints now.
trust-page:
    python -m tests.trust_page

# Locks of the sets in fixtures/locks.toml, ours and the peers', against an index on the loopback: docs/benchmarks.md.
bench-lock *ARGS:
    python -m tests.bench.lock {{ARGS}}

# Our versions beside those of `uv pip compile`: docs/lock-agreement.md. Minutes, with the index that pip is configured for.
lock-agreement *ARGS:
    python -m tests.bench.agree {{ARGS}}

# Debian packages: our versions beside those of `apt-get -s install`, with the archive that apt is configured for. Minutes.
deb-agreement *ARGS:
    python -m tests.debs.agreement {{ARGS}}
