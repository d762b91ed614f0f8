"""Run the rows and write the table."""

import argparse
import copy
import re
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.compare.rows import CONTROL, ROWS, Row
from tests.compare.tools import TOOLS, Tool
from tests.index_server import Index, serving

BEGIN, END = "<!-- compared -->\n", "<!-- /compared -->"


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("pip-tools", "poetry", "pdm"):
        parser.add_argument(f"--{name}", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", default="", metavar="WORD")
    parser.add_argument("--write", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    programs = {
        "airlock": [sys.executable, "-m", "airlock"],
        "uv": [str(Path(sys.executable).parent / "uv")],
        "pip-tools": [str(arguments.pip_tools / "bin" / "pip-compile")],
        "poetry": [str(arguments.poetry / "bin" / "poetry")],
        "pdm": [str(arguments.pdm / "bin" / "pdm")],
    }
    if broken := [tool.name for tool in TOOLS if _cell(CONTROL, tool, programs[tool.name]) != "yes"]:
        raise SystemExit(
            f"does not lock one plain wheel, so its cells would say nothing: {', '.join(broken)}"
        )
    lines = [f"| | {' | '.join(tool.name for tool in TOOLS)} |", "|---|" + "---|" * len(TOOLS)]
    group = ""
    for row in ROWS:
        if arguments.only in f"{row.group}: {row.title}":
            if row.group != group:
                lines.append(f"| **{row.group}** |" + " |" * len(TOOLS))
                group = row.group
            cells = [_cell(row, tool, programs[tool.name]) for tool in TOOLS]
            lines.append(f"| {row.title} | {' | '.join(cells)} |")
            print(lines[-1], flush=True)
    if arguments.write:
        text = arguments.write.read_text()
        table = "\n".join(lines) + "\n"
        replaced = re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}{table}{END}", text, flags=re.DOTALL)
        arguments.write.write_text(replaced)
    print(f"uv {version('uv')}")


def _cell(row: Row, tool: type[Tool], program: list[str]) -> str:
    """Each in an index, a folder and a home of its own."""
    index, other = (Index(metadata="advertised", etags=True) for _ in range(2))
    with serving(index), serving(other), tempfile.TemporaryDirectory() as folder:
        row.fill(index, other)
        try:
            return row.judge(
                tool(program, Path(folder) / tool.name, index, other), copy.deepcopy(row.project)
            )
        except Exception as error:  # a cell that could not be run is not a no
            return f"not run: {type(error).__name__}: {error}"[:80]


if __name__ == "__main__":
    main()
