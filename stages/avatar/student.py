"""A trained THA4 student as a poser: on the CPU by itself, elsewhere as graphs on a back end."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.avatar.boxes import Box
from stages.avatar.character import Character, is_character, load_character
from stages.avatar.picture import PictureRejected, cleared, load_as_it_is
from stages.avatar.siren.choice import best_kernel
from stages.avatar.siren.crew import Crew
from stages.avatar.siren.passes import Passes
from stages.avatar.siren.renderer import Renderer
from stages.backends.choice import Kind, open_backend
from stages.backends.engine import BackendMissing
from stages.chain import Chain
from stages.networks.library import find_student, look, models_folder
from stages.networks.pack import Pack, PackRejected, Precision, Target, open_pack

Image = NDArray[np.uint8]

# exact: every pixel. fast: only where something is seen. coarse: as fast, and the layers that paint
# the face and begin the body in half precision, where the compiled kernel and the processor can.
# auto: fast on the CPU, exact on a back end.
Mode = Literal["auto", "exact", "fast", "coarse"]

PICTURE: Final = "character.png"  # in a pack
# Part of the look: counted up when a student is drawn differently.
_VERSION: Final = 1


class StudentChoice(NamedTuple):
    """What may be chosen of how a student is run."""

    mode: Mode = "auto"
    backend: Kind = "auto"  # auto: the CPU, without any library; a pack needs one
    device_id: int = 0
    precision: Precision = "fp32"  # of graphs made of a character's folder
    threads: int = 1
    cache_bytes: int = 0  # for painted faces, where graphs are run


class StudentPoser:
    """Draws one trained character. Not for use from two threads at once.

    It carries its own picture, and no other: a student is trained for one.
    """

    def __init__(self, folder: Path, choice: StudentChoice | None = None) -> None:
        """Load a character's folder or a pack of one; takes a second.

        Raises `CharacterRejected`, `PackRejected`, `BackendMissing` or `GraphRejected`.
        """
        choice = choice or StudentChoice()
        self._drawing: _OnCpu | _OnBackend
        if is_character(folder) and choice.backend == "auto":
            character = load_character(folder)
            self.picture = character.picture
            self._drawing = _OnCpu(character, choice)
            identity = character.digest
        else:
            with _graphs(folder, choice) as (pack, picture, identity):
                self._drawing = _OnBackend(pack, picture, choice)
            self.picture = cleared(picture)
        drawn = f"student {_VERSION} {self._drawing.manner}".encode()
        self.look = hashlib.blake2b(drawn + identity, digest_size=16).digest()
        self.notes: Sequence[str] = (f"{folder.name}: {self._drawing.note}",)

    @classmethod
    def find(
        cls, name: str, models: Path | None = None, choice: StudentChoice | None = None
    ) -> "StudentPoser":
        """Load a character by the path of its folder or by its name in a folder of models.

        Raises `PackMissing` besides what loading raises.
        """
        precision = (choice or StudentChoice()).precision
        folder = find_student(models or models_folder(), name, is_character, precision)
        return cls(folder, choice)

    def set_picture(self, picture: Image, _given: Mapping[str, Box] | None = None) -> None:
        """Accept the picture that it was trained for; raise `PictureRejected` for any other."""
        if not np.array_equal(picture, self.picture):
            raise PictureRejected(
                "this trained character moves its own picture and no other; choose the poser "
                '"warp" or "tha3" for another picture'
            )

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        """Write the picture in `pose`, (45,), into `out`, C-contiguous (512, 512, 4) uint8."""
        self._drawing.render(pose, out)

    def counters(self) -> Mapping[str, int]:
        """How often the face was painted and kept, and what else has been counted."""
        return self._drawing.counters()

    def close(self) -> None:
        """End the threads; give the device back."""
        self._drawing.close()


class _OnCpu:
    """The student's own kernels."""

    def __init__(self, character: Character, choice: StudentChoice) -> None:
        self._crew = Crew(choice.threads)
        kernel = best_kernel(self._crew.size, coarse=choice.mode == "coarse")
        masked = choice.mode != "exact"
        passes = Passes(character.networks(), character.picture)
        self._renderer = Renderer(passes, kernel, self._crew, masked=masked)
        self.manner = f"{'seen' if masked else 'whole'} {kernel.precision}"
        what = "where something is seen" if masked else "whole frames"
        self.note = f"{what}, {kernel.precision} by {kernel.name}, threads: {self._crew.size}"

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        self._renderer.render(pose, out)

    def counters(self) -> Mapping[str, int]:
        return self._renderer.counts

    def close(self) -> None:
        self._crew.close()


class _OnBackend:
    """Graphs, whole frames."""

    def __init__(self, pack: Pack, picture: Image, choice: StudentChoice) -> None:
        backend = open_backend(choice.backend, device_id=choice.device_id, threads=choice.threads)
        try:
            self._chain = Chain(pack, backend, cache_bytes=choice.cache_bytes)
            self._chain.set_picture(picture)
        except BaseException:
            backend.close()
            raise
        self._backend = backend
        self.manner = "graphs"
        self.note = f"whole frames, {pack.precision} on {backend.name}"

    def render(self, pose: NDArray[np.float32], out: Image) -> None:
        self._chain.draw(pose, out)

    def counters(self) -> Mapping[str, int]:
        faces = self._chain.counts["face"]
        return {"faces": faces.misses, "faces_kept": faces.hits}

    def close(self) -> None:
        self._backend.close()


@contextmanager
def _graphs(folder: Path, choice: StudentChoice) -> Iterator[tuple[Pack, Image, bytes]]:
    """Give the pack of a folder, its picture, and what tells it from others.

    Of a character's own folder the graphs are built first; they are there while the block lasts.
    """
    if not is_character(folder):
        pack = open_pack(folder)
        try:
            picture = load_as_it_is(folder / PICTURE)
        except PictureRejected as error:
            raise PackRejected(f"the pack lacks its character: {error}") from error
        yield pack, picture, look(pack) + picture.tobytes()
        return
    character = load_character(folder)
    try:
        from stages.networks.student_graphs import write
    except ImportError as error:
        raise BackendMissing(
            f"to run {folder} on a back end its graphs have to be built: "
            "pip install 'ayatsuri[convert]', or leave `backend` at auto for the CPU"
        ) from error
    target: Target = "gpu" if choice.backend in ("cuda", "directml") else "cpu"
    with tempfile.TemporaryDirectory(prefix="ayatsuri-student-") as scratch:
        parts = write(Path(scratch), character.networks(), choice.precision, target)
        pack = Pack(Path(scratch), "ayatsuri", None, choice.precision, parts, True)
        identity = character.digest + choice.precision.encode()
        yield pack, character.picture.copy(), identity
