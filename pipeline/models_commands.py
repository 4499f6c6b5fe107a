"""`launcher.py models ...`: published weights into model packs, and packs held to their numbers."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

EXIT_MODELS = 5


def add(commands: Any) -> None:
    """Add `models` and what follows it to the parser's commands."""
    text = "turn published weights into model packs, or check a pack"
    models = commands.add_parser("models", help=text, description=text)
    models.set_defaults(run=lambda _arguments: _usage(models))
    kinds = models.add_subparsers(title="what to do", metavar="convert | check")

    text = "published weights to model packs; see docs/weights.md for where to get them"
    convert = kinds.add_parser("convert", help=text, description=text)
    convert.set_defaults(run=_convert)
    convert.add_argument("model", choices=["tha3"], help="which model the weights are of")
    convert.add_argument("source", type=Path, help="the folder with the published files")
    convert.add_argument("destination", type=Path, help="where the packs go, a folder for each")
    convert.add_argument("--structure", choices=["separable", "standard"], help="only this one")
    convert.add_argument("--precision", choices=["fp32", "fp16"], help="only this one")
    convert.add_argument(
        "--target",
        choices=["cpu", "gpu"],
        help="what the graphs are written for; same results (default: cpu)",
    )
    convert.add_argument(
        "--layout",
        choices=["ayatsuri", "ezvtuber-rt"],
        default="ayatsuri",
        help="whose files and names (default: ayatsuri)",
    )
    convert.add_argument(
        "--no-check", action="store_true", help="do not hold the graphs against NumPy"
    )

    text = "run a pack and hold its picture against the numbers in its manifest"
    check = kinds.add_parser("check", help=text, description=text)
    check.set_defaults(run=_check)
    check.add_argument("pack", type=Path, help="the folder of the pack")
    check.add_argument(
        "--backend",
        choices=["auto", "openvino", "onnxruntime", "cuda", "directml"],
        default="auto",
        help="what runs it (default: auto)",
    )


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from pipeline import models
    from stages.networks.parameters import STRUCTURES, WeightsMismatch
    from stages.networks.weights import WeightsRejected

    choice = models.Choice(
        structures=(arguments.structure,) if arguments.structure else STRUCTURES,
        precisions=(arguments.precision,) if arguments.precision else ("fp32", "fp16"),
        target=arguments.target,
        check=not arguments.no_check,
    )
    ours = arguments.layout == "ayatsuri"
    convert = models.convert_tha3 if ours else models.convert_tha3_existing
    console, begun = Console(), time.monotonic()
    try:
        with console.status("looking for weights") as status:

            def step(what: str) -> None:
                status.update(what)
                if not console.is_terminal:
                    console.print(what)

            written = convert(arguments.source, arguments.destination, choice, step)
    except (models.ConversionFailed, WeightsMismatch, WeightsRejected, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_MODELS
    for pack in written:
        console.print(f"[green]written[/green] {pack.folder}", highlight=False, soft_wrap=True)
        if "frame" in pack.errors:
            share, more, most, _mean = pack.errors["frame"]
            console.print(
                f"  picture held against NumPy: {share:.2%} of the values differ by one level, "
                f"{more:.2%} by more, at most {most:.0f}",
                highlight=False,
                soft_wrap=True,
            )
    console.print(
        f"{len(written)} packs in {time.monotonic() - begun:.0f} s", highlight=False, soft_wrap=True
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from pipeline import models
    from stages.backends.choice import open_backend
    from stages.backends.engine import BackendMissing, GraphRejected
    from stages.networks.pack import PackRejected

    try:
        with open_backend(arguments.backend) as backend:
            share, more, most, mean = models.check_pack(arguments.pack, backend)
    except (models.ConversionFailed, PackRejected, BackendMissing, GraphRejected) as error:
        print(error, file=sys.stderr)
        return EXIT_MODELS
    print(
        f"{arguments.pack} is as it was built. Its picture on {backend.name}: {share:.2%} of the "
        f"values differ by one level, {more:.2%} by more, at most {most:.0f}, mean {mean:.3f}."
    )
    return 0
