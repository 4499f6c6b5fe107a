"""`launcher.py cache ...`: pictures drawn in advance, carried elsewhere, and looked at."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXIT_CACHE = 6


def add(commands: Any) -> None:
    """Add `cache` and what follows it to the parser's commands."""
    text = "fill, carry and look at a database of pictures"
    cache = commands.add_parser("cache", help=text, description=text)
    cache.set_defaults(run=lambda _arguments: _usage(cache))
    kinds = cache.add_subparsers(title="what to do", metavar="warm-up | export | import | inspect")

    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--database",
        type=Path,
        metavar="FILE",
        help="the database (default: the config's, else that of get_core)",
    )
    where.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="a config file, or the name of a shipped one, whose cacher and avatar are meant",
    )
    where.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=argparse.SUPPRESS,
        dest="overrides", help="change one key of the config",
    )  # fmt: skip

    def kind(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        found = kinds.add_parser(name, help=text, description=text, parents=[where])
        found.set_defaults(run=_saying(run))
        return found

    warm = kind("warm-up", _warm_up, "draw pictures before they are asked for; resumes by itself")
    which = warm.add_mutually_exclusive_group(required=True)
    which.add_argument("--trace", type=Path, metavar="FILE", help="the poses of a recorded trace")
    which.add_argument(
        "--grid", action="append", metavar="NAME=LOW:HIGH:COUNT", help="every pose of a grid"
    )
    which.add_argument(
        "--idle", type=float, metavar="HZ", help="one period of the idle motion, so many a second"
    )
    export = kind("export", _export, "copy a database, as it is at one moment, to one file")
    export.add_argument("out", type=Path, metavar="OUT.db")
    take = kind("import", _import, "take over the pictures of another database")
    take.add_argument("source", type=Path, metavar="FILE.db")
    look = kind("inspect", _inspect, "what is in a database")
    look.add_argument("--trace", type=Path, metavar="FILE", help="how much of it would be answered")
    look.add_argument("--sheet", type=Path, metavar="OUT.png", help="draw some pictures there")
    look.add_argument("--pictures", type=int, default=25, help="on the sheet (default: 25)")


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


def _saying(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Return `run` with its errors said in their one sentence."""

    def safely(arguments: argparse.Namespace) -> int:
        from stages.cacher.store import DatabaseRejected
        from stages.ingest.trace import TraceRejected
        from stages.stage import StartFailed

        try:
            return run(arguments)
        except (DatabaseRejected, TraceRejected, StartFailed) as error:
            print(error, file=sys.stderr)
            return EXIT_CACHE

    return safely


def _warm_up(arguments: argparse.Namespace) -> int:
    from pipeline import cache_warmup
    from pipeline.config import find
    from stages.ingest.trace import load_trace

    database = _database(arguments, make=True)
    wanted = cache_warmup.wanted_by(find(arguments.config), arguments.overrides, database)
    if arguments.trace is not None:
        poses = list(load_trace(arguments.trace))
    elif arguments.grid:
        poses = cache_warmup.grid(arguments.grid)
    else:
        poses = cache_warmup.idle_poses(min(max(arguments.idle, 1.0), 240.0))
    with _progress("drawing") as step:
        done = cache_warmup.warm_up(wanted, poses, step)
    print(
        f"{wanted.database}: {done.wanted} pictures wanted, {done.known} were there, "
        f"{done.drawn} drawn"
    )
    if done.missing:
        print(
            f"{done.missing} are not kept: give the database more room (database_gb is "
            f"{wanted.cacher.database_gb:g}), or look for space on the disk",
            file=sys.stderr,
        )
    return EXIT_CACHE if done.missing else 0


def _export(arguments: argparse.Namespace) -> int:
    from stages.cacher.archive import Archive

    with Archive(_database(arguments)) as archive:
        archive.export(arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from stages.cacher.archive import Archive, take_over
    from stages.cacher.build import GIGABYTE
    from stages.cacher.database import DatabaseStore

    options = _cacher_options(arguments)
    with Archive(arguments.source) as source:
        path = _database(arguments, make=True)
        store = DatabaseStore(path, int(options.database_gb * GIGABYTE))
        try:
            total, count = len(source), 0
            with _progress("taking over") as step:

                def one_more() -> None:
                    nonlocal count
                    count += 1
                    step(count, total)

                found = take_over(source, store, one_more)
            trouble = store.trouble
        finally:
            store.close()
    print(
        f"{path}: {found.taken} pictures taken over, {found.known} were there, "
        f"{found.refused} refused as damaged or too large"
    )
    if trouble:
        print(trouble, file=sys.stderr)
    return EXIT_CACHE if trouble else 0


def _inspect(arguments: argparse.Namespace) -> int:
    from pipeline import cache_inspection
    from stages.cacher.archive import Archive
    from stages.cacher.key import Maker

    with Archive(_database(arguments)) as archive:
        found = cache_inspection.shelves(archive)
        size = archive.path.stat().st_size
        print(f"{archive.path}: {sum(s.pictures for s in found)} pictures, {size / 1e6:.1f} MB")
        for shelf in found:
            each = shelf.bytes / max(1, shelf.pictures)
            print(
                f"  look {shelf.look:016x}, quality {shelf.quality}, by {shelf.maker.name.lower()}:"
                f" {shelf.pictures} pictures, {each:,.0f} bytes each"
            )
        if arguments.trace is not None:
            options = _cacher_options(arguments)
            for shelf in (shelf for shelf in found if shelf.maker is Maker.POSER):
                hits = cache_inspection.hits(archive, shelf, arguments.trace, options)
                print(
                    f"  {arguments.trace.name} with look {shelf.look:016x}: of {hits.poses} poses "
                    f"{hits.exact / hits.poses:.1%} exactly, {hits.near / hits.poses:.1%} nearly"
                )
        if arguments.sheet is not None and found:
            cache_inspection.write_sheet(archive, found[0], arguments.sheet, arguments.pictures)
            print(f"  pictures of look {found[0].look:016x} in {arguments.sheet}")
    return 0


def _database(arguments: argparse.Namespace, make: bool = False) -> Path:
    """The database that is meant; `make` also the folder of the usual one."""
    if arguments.database is not None:
        return Path(arguments.database)
    options = _cacher_options(arguments)
    if options.database is not None:
        return Path(options.database)
    from pipeline.core.builder import usual_database

    path = usual_database()
    if make:
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _cacher_options(arguments: argparse.Namespace) -> Any:
    """The options of the config's cacher, or the usual ones."""
    from pipeline.config import find, load
    from stages.cacher.options import CacherOptions

    stages = load(find(arguments.config), arguments.overrides).stages
    return next((stage.options for stage in stages if stage.kind == "cacher"), CacherOptions())


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """What is called with how many are done, of how many; shown as a bar, or in lines."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:

        def say(done: int, total: int) -> None:
            if done == total or done % max(1, total // 10) == 0:
                print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

        yield say
        return
    with Progress(console=console) as progress:
        task = progress.add_task(what)
        yield lambda done, total: progress.update(task, completed=done, total=total)
