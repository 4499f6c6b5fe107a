"""The command line: arguments to the functions that do the work, and their errors to sentences."""

import argparse
import json
import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline import cache_commands, client, topology
from pipeline.models import commands as models_commands
from pipeline.places import ConfigError
from pipeline.video import command as video_command
from shm.frame import FormatError
from shm.segment import SegmentError
from shm.session import SessionMissing, usual_session
from stages import control
from stages.stage import StartFailed

EXIT_CONFIG = 2
EXIT_START_FAILED = 3
EXIT_NO_SESSION = 4

_EPILOG = """\
examples:
  launcher.py                                run the default config
  launcher.py --config smooth --set stages.avatar.options.picture=koma
  launcher.py --check --config my.toml       say what it would start, or all that is wrong
  launcher.py status --json                  ask the running session
  launcher.py snapshot now.png               a picture of the current frame
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command; return the exit code."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ConfigError as error:
        return _say(f"{error}", EXIT_CONFIG)
    except StartFailed as error:
        return _say(f"{error}", EXIT_START_FAILED)
    except SessionMissing as error:
        return _say(str(error.args[0]), EXIT_NO_SESSION)
    except (client.RequestFailed, SegmentError, FormatError) as error:
        return _say(f"{error}", 1)
    except KeyboardInterrupt:
        return 130


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="launcher.py",
        description="ayatsuri: a picture and poses in, frames out of shared memory.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    session = argparse.ArgumentParser(add_help=False)
    session.add_argument(
        "--session",
        metavar="NAME",
        help="which session (default: the one that runs, or main)",
        default=argparse.SUPPRESS,
    )
    parser.add_argument("--session", metavar="NAME", help="name of the session (default: main)")
    parser.add_argument(
        "--config",
        metavar="FILE",
        default="default",
        help="a config file, or the name of a shipped one (default: default)",
    )
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="change one key of the config, such as stages.interpolation.options.scale=3",
    )
    parser.add_argument("--check", action="store_true", help="say what would be started, and end")
    parser.add_argument("--plain", action="store_true", help="log lines instead of a live table")
    parser.add_argument("--log-file", metavar="FILE", help="write the log there as well")
    parser.add_argument("--until-eof", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_run)

    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> Any:
        found = commands.add_parser(name, help=text, description=text, parents=[session])
        found.set_defaults(run=run)
        return found

    status = command("status", _status, "what the running session does, stage by stage")
    status.add_argument("--json", action="store_true", help="for programs")
    command("stop", _stop, "end the running session")
    command("pause", _asking(control.Pause()), "hold the picture")
    command("resume", _asking(control.Resume()), "go on after a pause")
    command("reload", _asking(control.Reload()), "take over what was changed in the config file")
    restart = command("restart", _restart, "start one stage again")
    restart.add_argument("stage")
    image = command("set-image", _set_image, "show another character")
    image.add_argument("picture", type=Path, help="512 x 512 PNG with alpha")
    image.add_argument("--stage", help="which avatar, where there are several")
    snapshot = command("snapshot", _snapshot, "a picture of the current frame, or of some seconds")
    snapshot.add_argument("out", type=Path, metavar="OUT.png")
    snapshot.add_argument("--seconds", type=float, metavar="N", help="a contact sheet over N s")
    snapshot.add_argument(
        "--animate", action="store_true", help="an animated .webp or .png instead of a sheet"
    )
    snapshot.add_argument("--frames", type=int, default=16, help="pictures in it (default: 16)")
    features = command("features", _features, "what is found in the face of a picture")
    features.add_argument("picture", help="the name of a shipped picture, or a path")
    features.add_argument("out", type=Path, nargs="?", metavar="OUT.png", help="draw it there")
    features.add_argument(
        "--write", action="store_true", help="write it beside the picture, to be corrected by hand"
    )
    sheet = command("sheet", _sheet, "a contact sheet: a picture in every parameter of a pose")
    sheet.add_argument("picture", help="the name of a shipped picture, or a path")
    sheet.add_argument("out", type=Path, metavar="OUT.png")
    command("doctor", _doctor, "what this machine has, and the mend for what is missing")
    models_commands.add(commands)
    video_command.add(commands)
    cache_commands.add(commands)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    """Start a session and stay until it ends, or only say what would be started."""
    overrides = list(arguments.overrides)
    if arguments.session:
        overrides.append(f"session.name={arguments.session}")

    def compose() -> tuple[Any, topology.Topology]:
        return topology.compose(arguments.config, overrides)

    config, plan = compose()
    if arguments.check:
        print(topology.describe(plan))
        return 0
    from pipeline.supervisor import Supervisor
    from pipeline.terminal import open_display

    with open_display(
        plain=arguments.plain, log_level=config.session.log_level, log_file=arguments.log_file
    ) as display:
        for note in plan.notes:
            logging.getLogger("ayatsuri").info(note)
        supervisor = Supervisor(config, plan, display, compose)
        if arguments.until_eof:
            # Whoever started us holds our standard input: its end is the end of that program.
            def wait_for_end() -> None:
                sys.stdin.read()
                supervisor.stop("the program that started it has ended")

            threading.Thread(target=wait_for_end, daemon=True).start()
        return supervisor.run()


def _session(arguments: argparse.Namespace) -> str:
    return arguments.session or usual_session()


def _status(arguments: argparse.Namespace) -> int:
    status = client.ask(_session(arguments), control.GetStatus())
    if arguments.json:
        print(json.dumps(status, indent=1))
    else:
        from pipeline.terminal import print_status

        print_status(status)
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    from pipeline.session import wait_for_end

    name = _session(arguments)
    client.ask(name, control.Stop())
    wait_for_end(name)
    return 0


def _asking(request: control.Message) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        result = client.ask(_session(arguments), request)
        if result:
            print(json.dumps(result))
        return 0

    return run


def _restart(arguments: argparse.Namespace) -> int:
    client.ask(_session(arguments), control.Restart(stage=arguments.stage))
    return 0


def _set_image(arguments: argparse.Namespace) -> int:
    client.set_image(_session(arguments), arguments.picture, arguments.stage)
    return 0


def _snapshot(arguments: argparse.Namespace) -> int:
    from pipeline.snapshot import animation, contact_sheet, snapshot

    if arguments.animate:
        animation(_session(arguments), arguments.out, arguments.seconds or 4.0)
    elif arguments.seconds is None:
        snapshot(_session(arguments), arguments.out)
    else:
        contact_sheet(_session(arguments), arguments.out, arguments.seconds, arguments.frames)
    return 0


def _features(arguments: argparse.Namespace) -> int:
    from pipeline.features import describe, show_features

    print(describe(show_features(arguments.picture, arguments.out, arguments.write)))
    return 0


def _sheet(arguments: argparse.Namespace) -> int:
    from pipeline.sheet import write_sheet

    write_sheet(arguments.picture, arguments.out)
    return 0


def _doctor(_arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from pipeline.doctor import examine, render

    findings = examine()
    Console().print(render(findings))
    return 1 if any(finding.state == "missing" for finding in findings) else 0
