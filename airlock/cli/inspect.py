"""`airlock inspect FILE`: what a bundle, delta or lock holds."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airlock.cli.arguments import existing
from airlock.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from airlock.airgapped.inspect import Line, Summary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        type=existing,
        nargs="+",
        metavar="FILE",
        help="a bundle, delta, volume or lock, or the volumes of a set",
    )
    parser.add_argument(
        "--sizes", action="store_true", help="what each artifact takes and why; reads every frame of a bundle"
    )
    parser.add_argument(
        "--signatures", action="store_true", help="who signed what, and what is missing; needs no key"
    )
    parser.add_argument("--html", type=Path, metavar="PAGE", help="draw the sizes as one self-contained page")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.airgapped.inspect import inspect
    from airlock.cli.carried import carried
    from airlock.cli.session import print_json
    from airlock.cli.volumes import is_volume, tell_volume

    if arguments.signatures:
        _signatures(arguments)
        return None
    sizes = arguments.sizes or arguments.html is not None
    if not sizes and is_volume(arguments.file):
        tell_volume(arguments.file[0], arguments.json)
        return None
    with carried(arguments.file) as file:
        summary = inspect(file.stream, file.where, sizes=sizes)
    if arguments.html is not None:
        from airlock.cli.size_page import size_page
        from airlock.storage.atomic import write_atomically

        write_atomically(arguments.html, size_page(summary).encode())
        session.reporter.note(f"drawn in {arguments.html}")
    if arguments.json:
        print_json(_document(summary))
    else:
        _print(summary, _rows if sizes else _sentences)
    return None


def _signatures(arguments: argparse.Namespace) -> None:
    from airlock.airgapped.signatures import signatures
    from airlock.cli.carried import carried
    from airlock.cli.session import print_json
    from airlock.cli.sign import to_be_signed
    from airlock.cli.signatures import document, lines

    with carried(arguments.file) as file:
        report = signatures(to_be_signed(file.stream, Path(file.where)))
    if arguments.json:
        print_json(document(report))
        return
    for line in lines(report):
        print(line)


def _document(summary: "Summary") -> dict[str, Any]:
    from airlock.formats.rows import write_activation, write_health

    document: dict[str, Any] = {
        "what": summary.what,
        "project": {"name": summary.project.name, "version": summary.project.version},
        "targets": [
            {
                "name": target.name,
                "python": target.python,
                "platform": target.platform,
                "prefix": target.prefix,
            }
            for target in summary.targets
        ],
        "encoder": {
            "name": summary.encoder.name,
            "version": summary.encoder.version,
            "level": summary.encoder.level,
            "codecs": summary.encoder.codecs,
        },
        "size": summary.size,
        "signatures": list(summary.signatures),
        "artifacts": [line_document(line) for line in summary.lines],
    }
    if summary.activation:
        document["activation"] = [write_activation(one) for one in summary.activation]
    if summary.health:
        document["health"] = write_health(summary.health)
    digests = {"index": summary.index, "base": summary.base}
    return document | {name: digest for name, digest in digests.items() if digest}


def line_document(line: "Line") -> dict[str, Any]:
    """One artifact for programs; what is not known is left out."""
    artifact = line.artifact
    document: dict[str, Any] = {
        "kind": artifact.kind,
        "name": artifact.name,
        "version": artifact.version,
        "file": artifact.file,
        "size": artifact.size,
        "digest": artifact.digest,
        "targets": list(line.targets),
    }
    more = {
        name: getattr(line, name)
        for name in ("builds", "expanded", "form", "compressed", "recipe", "opaque", "how", "bases")
    }
    return document | {name: value for name, value in more.items() if value not in (None, ())}


def _print(summary: "Summary", lines: "Callable[[Sequence[Line]], Iterator[str]]") -> None:
    from airlock.cli.progress import human_size
    from airlock.formats.trust import short_form

    print(f"{summary.what} of {summary.project.name} {summary.project.version}, {human_size(summary.size)}")
    for target in summary.targets:
        prefix = f", prefix {target.prefix}" if target.prefix else ""
        print(f"target     {target.name}: Python {target.python} on {target.platform}{prefix}")
    print(
        f"encoder    {summary.encoder.name} {summary.encoder.version}, level {summary.encoder.level}, {summary.encoder.codecs}"
    )
    for name, digest in (("base", summary.base), ("index", summary.index)):
        if digest:
            print(f"{name:<10} {digest}")
    if summary.index:
        print(f"aloud      {short_form(summary.index)}")
    if summary.what != "lock":
        print(f"signatures {', '.join(summary.signatures) or 'none'}")
    for line in _run_there(summary):
        print(line)
    print(f"originals  {human_size(sum(line.artifact.size for line in summary.lines))}")
    for line in lines(summary.lines):
        print("  " + line)


def _run_there(summary: "Summary") -> "Iterator[str]":
    """Commands that the far side will run, which whoever approves must see."""
    import shlex

    for one in summary.activation:
        yield f"runs       {shlex.join(one.command)}"
        yield f"           {shlex.join(one.check)}, which must say {', '.join(one.expected)}"
    if summary.health:
        yield f"runs       {shlex.join(summary.health.command)}"


def _sentences(lines: "Sequence[Line]") -> "Iterator[str]":
    from airlock.cli.progress import human_size

    for line in lines:
        parts = [f"{line.artifact.label}: {human_size(line.artifact.size)}"]
        for name, size in (("expanded", line.expanded), ("compressed", line.compressed)):
            if size is not None:
                parts.append(f"{human_size(size)} {name}")
        parts += [part for part in (line.how, ", ".join(line.targets)) if part]
        parts += [f"builds {', '.join(line.builds)}"] if line.builds else []
        yield ", ".join(parts)


COLUMNS = ("original", "expanded", "compressed", "recipe", "opaque")


def sizes_of(line: "Line") -> "tuple[int | None, ...]":
    """In bytes, as COLUMNS names them; None where the file does not tell."""
    return line.artifact.size, line.expanded, line.compressed, line.recipe, line.opaque


def reason(line: "Line") -> str:
    """In a delta, how the artifact comes."""
    if line.bases:
        return f"{line.how} against {', '.join(line.bases)}"
    return "new" if line.how == "patch" else line.how or ""


def _rows(lines: "Sequence[Line]") -> "Iterator[str]":
    """A table, the largest first, with a sum."""
    from airlock.cli.progress import human_size

    ordered = sorted(lines, key=lambda line: (-(line.compressed or 0), line.artifact.key))
    table = [(line.artifact.label, sizes_of(line), reason(line)) for line in ordered]
    columns = list(zip(*(sizes for _, sizes, _ in table), strict=True))
    told = [any(size is not None for size in column) for column in columns]
    sums = tuple(sum(size or 0 for size in column) for column in columns)
    width = max((len(label) for label, _, _ in table), default=0)
    yield _row(" " * width, [name for name, show in zip(COLUMNS, told, strict=False) if show], "")
    for label, sizes, why in [*table, ("all", sums, "")]:
        cells = ["-" if size is None else human_size(size) for size in sizes]
        yield _row(f"{label:<{width}}", [cell for cell, show in zip(cells, told, strict=False) if show], why)


def _row(label: str, cells: "Sequence[str]", why: str) -> str:
    return "".join([label, *(f"{cell:>12}" for cell in cells), f"  {why}" if why else ""]).rstrip()
