"""From the arguments of `get_core` to a core: which poser, which stages, in which processes."""

from collections.abc import Mapping
from typing import Any

from pipeline.core.arguments import CoreError, CoreOptions, check_options
from pipeline.core.in_process import InProcessCore, Poser
from pipeline.core.session import SessionCore


def build(options: CoreOptions) -> "InProcessCore | SessionCore":
    """Return the core for `options`. Raises `CoreError`."""
    check_options(options)
    if options.model_version != "builtin":
        raise CoreError(f'model_version="{options.model_version}" is not there yet: use "builtin"')
    if options.processes:
        return SessionCore(options, session_config(options))
    return InProcessCore(options, _builtin)


def _builtin(picture: Any) -> Poser:
    from stages.avatar.warp import WarpPoser

    return WarpPoser(picture)


def session_config(options: CoreOptions) -> str:
    """Return the config of a core's session as TOML."""
    stages = [_table("caller", "caller", {})]
    if options.use_cacher:
        cacher = {"quality": options.cacher_quality, "ram_gb": float(options.cacher_ram_size)}
        stages.append(_table("cacher", "cacher", cacher))
    stages.append(_table("avatar", "avatar", {}))
    if options.use_interpolation:
        interpolation = {
            "scale": options.interpolation_scale,
            "pacing": "lowest_latency",
            "reading": "every",
            "pause_s": 3600.0,
        }
        stages.append(_table("interpolation", "interpolation", interpolation))
    return "\n".join(stages)


def _table(name: str, kind: str, options: Mapping[str, object]) -> str:
    lines = ["[[stages]]", f'name = "{name}"', f'kind = "{kind}"', "[stages.options]"]
    lines += [
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in options.items()
    ]
    return "\n".join(lines) + "\n"
