"""`launcher.py models ...`: published weights into model packs, and packs held to their numbers."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from pipeline.models import FAMILIES, family
from stages.networks.library import models_folder

EXIT_MODELS = 5


def add(commands: Any) -> None:
    """Add `models` and what follows it to the parser's commands."""
    text = "turn published weights into model packs, or check a pack"
    models = commands.add_parser("models", help=text, description=text)
    models.set_defaults(run=lambda _arguments: _usage(models))
    kinds = models.add_subparsers(title="what to do", metavar="convert | check")

    text = "published weights to model packs; see docs/weights.md, docs/interpolation.md"
    convert = kinds.add_parser("convert", help=text, description=text)
    convert.set_defaults(run=_convert)
    convert.add_argument("model", choices=list(FAMILIES), help="which model the weights are of")
    convert.add_argument("source", type=Path, help="the folder with the published files")
    convert.add_argument(
        "destination",
        type=Path,
        nargs="?",
        default=models_folder(),
        help=f"where the packs go, a folder for each (default: {models_folder()})",
    )
    variants = "; ".join(f"{name}: {', '.join(names)}" for name, names in FAMILIES.items() if names)
    convert.add_argument("--only", metavar="VARIANT", help=f"only this one ({variants})")
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
        "--size", type=_size, default=(512, 512), metavar="WIDTHxHEIGHT", help="of frames (rife)"
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


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) >= 64 and int(height) >= 64):
        raise argparse.ArgumentTypeError(f"{text} is not a size such as 1280x720, 64 at least")
    return int(height), int(width)


def _usage(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from pipeline.models.conversion import Choice, ConversionFailed
    from stages.networks.parameters import WeightsMismatch
    from stages.networks.weights import WeightsRejected

    variants = FAMILIES[arguments.model]
    if arguments.only and arguments.only not in variants:
        there = f"has {', '.join(variants)}" if variants else "has no variants"
        print(f"--only {arguments.only}: {arguments.model} {there}", file=sys.stderr)
        return EXIT_MODELS
    choice = Choice(
        only=(arguments.only,) if arguments.only else (),
        precisions=(arguments.precision,) if arguments.precision else ("fp32", "fp16"),
        target=arguments.target,
        layout=arguments.layout,
        check=not arguments.no_check,
        size=arguments.size,
    )
    console, begun = Console(), time.monotonic()
    try:
        with console.status("looking for weights") as status:

            def step(what: str) -> None:
                status.update(what)
                if not console.is_terminal:
                    console.print(what)

            convert = family(arguments.model).convert
            written = convert(arguments.source, arguments.destination, choice, step)
    except (ConversionFailed, WeightsMismatch, WeightsRejected, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_MODELS
    for pack in written:
        console.print(f"[green]written[/green] {pack.folder}", highlight=False, soft_wrap=True)
        if pack.verdict:
            console.print(f"  {pack.verdict}", highlight=False, soft_wrap=True)
    console.print(
        f"{len(written)} packs in {time.monotonic() - begun:.0f} s", highlight=False, soft_wrap=True
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from pipeline.models.conversion import ConversionFailed
    from stages.backends.choice import open_backend
    from stages.backends.engine import BackendMissing, GraphRejected
    from stages.networks.pack import PackRejected, family_of

    try:
        check_pack = family(family_of(arguments.pack)).check_pack
        with open_backend(arguments.backend) as backend:
            verdict = check_pack(arguments.pack, backend)
    except (ConversionFailed, PackRejected, BackendMissing, GraphRejected) as error:
        print(error, file=sys.stderr)
        return EXIT_MODELS
    print(f"{arguments.pack} is as it was built. {verdict}")
    return 0
