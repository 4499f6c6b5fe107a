"""From the arguments of `get_core` to a core: which poser, which stages, in which processes."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import structs

from pipeline.core.arguments import HEIGHT, WIDTH, CoreError, CoreOptions, check_options
from pipeline.core.in_process import InProcessCore
from pipeline.core.session import AHEAD, SessionCore
from pipeline.topology import usable_cores
from stages.avatar.options import AvatarOptions
from stages.backends.choice import Kind, gpu_or_cpu
from stages.backends.engine import BackendMissing
from stages.cacher.options import CacherOptions
from stages.interpolation.options import InterpolationOptions
from stages.networks.pack import Precision
from stages.networks.parameters import Structure

# Programs round the poses that they give by themselves; here only noise is to be told from motion.
_LEVELS: Final = 1000

log = logging.getLogger("ayatsuri")


def build(options: CoreOptions) -> "InProcessCore | SessionCore":
    """Return the core for `options`. Raises `CoreError`."""
    check_options(options)
    avatar = avatar_options(options)
    if options.processes:
        return SessionCore(
            options, session_config(options, structs.replace(avatar, lanes=_lanes(avatar)))
        )
    from stages.avatar.poser import open_poser
    from stages.stage import StartFailed

    try:
        poser = open_poser(avatar, usable_cores())
    except StartFailed as error:
        raise CoreError(str(error)) from error
    return InProcessCore(options, cacher_options(options), interpolation_options(options), poser)


def avatar_options(options: CoreOptions) -> AvatarOptions:
    """Return what the avatar stage is to be; say what stands in for a device that is not there."""
    if options.model_version == "builtin":
        return AvatarOptions()
    if options.model_version == "v4":
        raise CoreError('model_version="v4" is not there yet: use "v3", "v4_student" or "builtin"')
    _check_weights(options)
    student = options.model_version == "v4_student"
    return AvatarOptions(
        poser="tha4_student" if student else "tha3",
        character=options.model_name or "" if student else "",
        stand_in=False,
        models=_models(options),
        structure="separable" if options.model_separable else "standard",
        precision=_precision(options.model_half),
        backend=_backend(options),
        device_id=options.device_id,
        eyebrows=options.model_use_eyebrow,
        cache_gb=float(options.model_cache_size) if options.model_cache else 0.0,
        cache_place="device" if options.model_vram_cache else "ram",
    )


def _lanes(avatar: AvatarOptions) -> int:
    """Return how many poses a session draws at once while they are streamed."""
    on_processor = avatar.poser == "tha3" and avatar.backend in ("auto", "openvino", "onnxruntime")
    return min(2, usable_cores()) if on_processor else 1


def interpolation_options(options: CoreOptions) -> InterpolationOptions:
    """Return what the interpolation is to be: as quick as can be, and every frame in its turn."""
    return InterpolationOptions(
        scale=options.interpolation_scale,
        method=_between(options),
        pacing="lowest_latency",
        reading="every",
        pause_s=3600.0,
        models=_models(options),
        precision=_precision(options.interpolation_half),
        device_id=options.device_id,
    )


def _between(options: CoreOptions) -> Literal["auto", "flow", "rife"]:
    """Return what makes pictures in between: who has put RIFE's weights beside THA3's wants it."""
    from stages.networks.library import models_folder
    from stages.networks.pack import PackRejected
    from stages.networks.rife_pack import find_rife

    if not options.use_interpolation or options.model_version == "builtin":
        return "auto"  # beside a poser that takes milliseconds a network may be too slow
    models = Path(options.model_dir) if options.model_dir else models_folder()
    try:
        find_rife(models, "", _precision(options.interpolation_half), (HEIGHT, WIDTH))
    except PackRejected as error:
        log.info("get_core: %s. Until then optical flow makes the pictures in between", error)
        return "flow"
    return "rife"


def _models(options: CoreOptions) -> str:
    return str(Path(options.model_dir).absolute()) if options.model_dir else ""


def _precision(half: bool) -> Precision:
    return "fp16" if half else "fp32"


def _check_weights(options: CoreOptions) -> None:
    """Look for the pack here and now: a session would say so only once its processes run."""
    from stages.avatar.character import is_character
    from stages.networks.library import find_student, find_tha3, models_folder
    from stages.networks.pack import PackRejected

    models = Path(options.model_dir) if options.model_dir else models_folder()
    structure: Structure = "separable" if options.model_separable else "standard"
    try:
        if options.model_version == "v4_student":
            find_student(models, options.model_name or "", is_character)
        else:
            find_tha3(models, structure, _precision(options.model_half))
    except PackRejected as error:
        raise CoreError(f'{error}; model_version="builtin" needs no weights') from error


def _backend(options: CoreOptions) -> Kind:
    try:
        kind, name = gpu_or_cpu(directml_first=not options.use_tensorrt)
    except BackendMissing as error:
        raise CoreError(str(error)) from error
    if kind == "auto" and options.model_version == "v4_student":
        name = "the processor"  # by kernels of our own, where it is a character's folder
    asked = "TensorRT" if options.use_tensorrt else "DirectML"
    if kind != "directml" or options.use_tensorrt:
        ignored = f"; device_id={options.device_id} means nothing to it" if kind == "auto" else ""
        log.warning("get_core: %s is not here, %s is used instead%s", asked, name, ignored)
    return kind


def cacher_options(options: CoreOptions) -> CacherOptions:
    """Return the cacher's options for a core's. Raises `CoreError`."""
    return CacherOptions(
        quantiser="uniform",
        levels=_LEVELS,
        quality=options.cacher_quality,
        ram_gb=float(options.cacher_ram_size),
        database=_database(options) if options.cacher_on_database else None,
        pacing="lowest_latency",  # and wait for each frame
        snap_within=0.0,  # programs that ask for a pose are given no other
    )


def _database(options: CoreOptions) -> str:
    """The path of the database: the one given, or one among the user's caches."""
    if options.cacher_db_path is not None:
        path = Path(options.cacher_db_path).expanduser().resolve()
        if not path.parent.is_dir():
            raise CoreError(f"cacher_db_path is in a folder that is not there: {path.parent}")
        return str(path)
    path = usual_database()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CoreError(
            f"no folder for the database at {path.parent} ({error.strerror}): set cacher_db_path"
        ) from error
    return str(path)


def usual_database() -> Path:
    """Return where pictures are kept when nobody says where."""
    return _user_caches() / "ayatsuri" / "frames.db"


def _user_caches() -> Path:
    """Where programs keep what they can make again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def session_config(options: CoreOptions, avatar: AvatarOptions) -> str:
    """Return the config of a core's session as TOML."""
    stages = [stage_table("caller", "caller", {})]
    if options.use_cacher:
        stages.append(stage_table("cacher", "cacher", given(cacher_options(options))))
    stages.append(stage_table("avatar", "avatar", given(avatar)))
    if options.use_interpolation:
        interpolation = given(interpolation_options(options))
        # Those of a list stay as they are while the lists of all poses under way are made.
        slots = options.images * (AHEAD + 2)
        stages.append(stage_table("interpolation", "interpolation", interpolation, slots))
    return "\n".join(stages)


def given(options: msgspec.Struct) -> dict[str, object]:
    """Return what a config has to say of some options: those that are not at their defaults."""
    defaults = type(options)()
    return {
        name: getattr(options, name)
        for name in options.__struct_fields__
        if getattr(options, name) != getattr(defaults, name)
    }


def stage_table(name: str, kind: str, options: Mapping[str, object], slots: int = 8) -> str:
    """Return one stage of a config as TOML."""
    lines = ["[[stages]]", f'name = "{name}"', f'kind = "{kind}"', f"slots = {slots}"]
    lines.append("[stages.options]")
    # Strings, numbers and booleans of JSON are those of TOML.
    lines += [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    return "\n".join(lines) + "\n"
