"""The command line of the book's tools; an error is one sentence and exit status 2."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ecgcore import files
from ecgcore.errors import EcgcoreError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options) or 0
    except EcgcoreError as error:
        print(f"book.tools: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"book.tools: {files.file_error(error, 'files')}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("book.tools: stopped; run the same command again to continue.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="book.tools", description="What only the book needs.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    book = commands.add_parser("book", help="lay out executed notebooks and build the book")
    book.set_defaults(command=_book)
    book.add_argument("--runs", type=Path, required=True, help="folder of run directories")
    book.add_argument("--page", action="append", required=True, metavar="NAME=RUN")
    book.add_argument("--explorer", type=Path, help="folder that the command explorer wrote")
    book.add_argument("--tier", required=True)
    book.add_argument("--repository", default="", metavar="OWNER/NAME", help="for launch links")
    book.add_argument("--staging", type=Path, required=True)
    book.add_argument("--html", type=Path, required=True)

    explorer = commands.add_parser("explorer", help="data for the book's ECG explorer")
    explorer.set_defaults(command=_explorer)
    explorer.add_argument("--run", type=Path, action="append", required=True, metavar="RUN")
    explorer.add_argument("--store", type=Path, required=True, help="the store of these runs")
    explorer.add_argument("--to", type=Path, required=True)
    explorer.add_argument("--records", type=int, default=6)
    explorer.add_argument("--steps", type=int, default=16, help="of methods that have steps")
    explorer.add_argument("--window", type=float, default=0.5, metavar="S", help="of occlusion")

    course = commands.add_parser("course", help="notebooks for students and for teachers")
    course.set_defaults(command=_course)
    course.add_argument("--to", type=Path, required=True)

    release = commands.add_parser("release", help="PDF, offline zip, results, checksums")
    release.set_defaults(command=_release)
    release.add_argument("--html", type=Path, required=True, help="the built book")
    release.add_argument("--to", type=Path, required=True)

    launch = commands.add_parser("launch", help="notebooks that install themselves on Colab")
    launch.set_defaults(command=_launch)
    launch.add_argument("--repository", required=True, metavar="OWNER/NAME", help="on GitHub")
    launch.add_argument("--ref", required=True, help="commit that they install")
    launch.add_argument("--to", type=Path, required=True)

    progress = commands.add_parser("progress", help="run Snakemake; print runs done and time left")
    progress.set_defaults(command=_progress)
    progress.add_argument("snakemake", nargs="+", metavar="WORD", help="the command, after --")
    return parser


def pages_of(texts: Sequence[str], runs: Path) -> dict[str, Path]:
    """Return the run directory of each page, from words such as ``imn_train=imn_train-62``.

    Raises
    ------
    EcgcoreError
        A word has another form.
    """
    pages = {}
    for text in texts:
        name, equals, run = text.partition("=")
        if not (name and equals and run):
            raise EcgcoreError(
                f"--page {text}: expected NAME=RUN, the page and its run directory, for example "
                "--page imn_train=imn_train-norm_vs_mi-imn."
            )
        pages[name] = runs / run
    return pages


def _book(options: argparse.Namespace) -> None:
    pages = pages_of(options.page, options.runs)
    from book.tools import launch, staging

    repository = options.repository and launch.check_repository(options.repository)
    options.html.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(options.html):
        staging.stage(
            Path.cwd(), pages, options.staging, tier=options.tier, explorer=options.explorer,
            gallery=options.runs, repository=repository,
        )  # fmt: skip
        staging.build_book(options.staging, options.html)
    print(f"The book: {options.html / 'index.html'}")


def _explorer(options: argparse.Namespace) -> None:
    from book.tools import explorer

    settings = explorer.Settings(
        n_records=options.records, n_steps=options.steps, window_s=options.window
    )
    explorer.export(options.run, options.store, options.to, settings)
    print(options.to)


def _course(options: argparse.Namespace) -> None:
    from book.tools import course

    course.export(Path("book/course"), options.to)
    print(options.to / "student", options.to / "instructor", sep="\n")


def _release(options: argparse.Namespace) -> None:
    from book.tools import release

    print(*release.make_release(options.html, options.to, root=Path.cwd()), sep="\n")


def _launch(options: argparse.Namespace) -> None:
    from book.tools import launch

    export = launch.export(
        Path("notebooks"), options.to, repository=options.repository, ref=options.ref
    )
    print(*export, sep="\n")


def _progress(options: argparse.Namespace) -> int:
    from book.tools import progress

    return progress.run(options.snakemake)


if __name__ == "__main__":
    sys.exit(main())
