"""The avatar core's interface, as its documentation describes it: `get_core()` and two methods.

    core = get_core()
    core.setImage(img)             # BGRA uint8 (512, 512, 4)
    ret = core.inference(pose)     # float32 (1, 45) -> list of BGRA uint8 (512, 512, 4)

The pictures of one call are valid until the next.
"""

from typing import Any

from pipeline.core.arguments import CoreError, CoreOptions
from pipeline.core.builder import build
from pipeline.core.in_process import InProcessCore
from pipeline.core.session import SessionCore

__all__ = ["CoreError", "get_core"]

_OTHER_SPELLINGS = {
    "model_seperable": "model_separable",
    "tha_model_version": "model_version",
    "tha_model_seperable": "model_separable",
    "tha_model_fp16": "model_half",
    "tha_model_name": "model_name",
    "use_eyebrow": "model_use_eyebrow",
}
_NOT_THERE = {"use_sr": False, "sr_x4": None, "sr_half": None, "sr_noise": None, "sr_a4k": False}


def get_core(
    device_id: int = 0,
    use_tensorrt: bool = True,
    model_seperable: bool = True,
    model_half: bool = True,
    model_cache: bool = True,
    model_vram_cache: bool = True,
    model_cache_size: float = 1.0,
    use_cacher: bool = True,
    cacher_on_database: bool = False,
    cacher_quality: int = 85,
    cacher_ram_size: float = 2.0,
    cacher_db_path: str | None = None,
    use_interpolation: bool = True,
    interpolation_scale: int = 2,
    interpolation_half: bool = True,
    **more: Any,
) -> InProcessCore | SessionCore:
    """Return a core. Sizes are gigabytes; raises `CoreError` with one sentence.

    Also taken: `model_version` ("v3"; "builtin" needs no weights), `model_name`, `model_dir`,
    `model_use_eyebrow`, and `processes` (True: the stages run as processes behind rings; False: in
    this one), and the spelling `model_separable`.
    """
    asked: dict[str, Any] = {
        "device_id": device_id,
        "use_tensorrt": use_tensorrt,
        "model_separable": model_seperable,
        "model_half": model_half,
        "model_cache": model_cache,
        "model_vram_cache": model_vram_cache,
        "model_cache_size": model_cache_size,
        "use_cacher": use_cacher,
        "cacher_on_database": cacher_on_database,
        "cacher_quality": cacher_quality,
        "cacher_ram_size": cacher_ram_size,
        "cacher_db_path": cacher_db_path,
        "use_interpolation": use_interpolation,
        "interpolation_scale": interpolation_scale,
        "interpolation_half": interpolation_half,
    }
    for name, value in more.items():
        if name in _NOT_THERE:
            if name in ("use_sr", "sr_a4k") and value:
                raise CoreError("super-resolution is not part of this version: leave use_sr out")
            continue
        known = _OTHER_SPELLINGS.get(name, name)
        if known not in CoreOptions.__struct_fields__:
            raise CoreError(f"get_core has no option {name!r}")
        asked[known] = value
    return build(CoreOptions(**asked))
