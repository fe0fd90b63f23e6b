"""The command line of the book's tools; an error prints one sentence and exits with status 2."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ecgcore import files
from ecgcore.errors import EcgcoreError

SESSIONS = Path("book/course")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = vars(_parser().parse_args(arguments))
    module, _, function = options.pop("function").partition(".")
    try:
        with files.file_errors("files"):
            result = getattr(importlib.import_module(f"book.tools.{module}"), function)(**options)
    except EcgcoreError as error:
        message, status = str(error), 2
    except KeyboardInterrupt:
        message, status = "stopped; run the same command again to continue.", 130
    else:
        if isinstance(result, int):
            return result
        print(*result, sep="\n")
        return 0
    print(f"book.tools: {message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    """Return the parser; a command's options are the arguments of its ``function``."""
    parser = argparse.ArgumentParser(prog="book.tools", description="Tools for the book only.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, function: str, meaning: str, **fixed: Path) -> Callable[..., Any]:
        subparser = commands.add_parser(name, help=meaning)
        subparser.set_defaults(function=function, **fixed)
        return subparser.add_argument

    add = command("book", "staging.make_book", "stage executed notebooks and build the book")
    add("--runs", type=Path, required=True, help="folder of run directories")
    add("--page", type=_page, action="append", required=True, metavar="NAME=RUN", dest="pages")
    add("--explorer", type=Path, help="folder written by the command explorer")
    add("--tier", required=True)
    add("--repository", default="", metavar="OWNER/NAME", help="for launch links")
    add("--staging", type=Path, required=True)
    add("--html", type=Path, required=True)

    add = command("explorer", "explorer.export", "data for the book's ECG explorer")
    add("--run", type=Path, action="append", required=True, dest="folders")
    add("--store", type=Path, required=True, dest="store_path", help="the store of these runs")
    add("--to", type=Path, required=True)
    add("--records", type=int, default=6, dest="n_records")
    add("--steps", type=int, default=16, dest="n_steps", help="steps of integrated gradients")
    add("--window", type=float, default=0.5, dest="window_s", metavar="S", help="occlusion width")

    add = command("course", "course.export", "notebooks for students and teachers", course=SESSIONS)
    add("--to", type=Path, required=True)
    add("--execute", action="store_true", help="run the teacher's notebooks to get outputs")

    add = command(
        "release", "release.make_release", "PDF, zip, results, checksums", root=Path.cwd()
    )
    add("--html", type=Path, required=True, help="the built book")
    add("--to", type=Path, required=True)

    meaning = "notebooks that install themselves on Colab"
    add = command("launch", "launch.export", meaning, notebooks=Path("notebooks"))
    add("--repository", required=True, metavar="OWNER/NAME", help="the GitHub repository")
    add("--ref", required=True, help="commit that the notebooks install")
    add("--to", type=Path, required=True)

    add = command("progress", "progress.run", "run Snakemake; print runs done and time left")
    add("command", nargs="+", metavar="WORD", help="the command, after --")
    return parser


def _page(text: str) -> tuple[str, str]:
    """Return page and run of a word such as ``imn_train=imn_train-62``."""
    name, _, run = text.partition("=")
    if not (name and run):
        raise argparse.ArgumentTypeError(f"{text}: expected NAME=RUN, the page and its run.")
    return name, run


if __name__ == "__main__":
    sys.exit(main())
