"""A student on the CPU: only what is seen is computed, and nothing that is seen is lost."""

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shm.compiled import PURE
from stages.avatar.character import Character, load_character
from stages.avatar.siren import cells
from stages.avatar.siren.choice import best_kernel
from stages.avatar.siren.crew import Crew
from stages.avatar.siren.kernel import Kernel
from stages.avatar.siren.native_kernel import NativeKernel, NativeMissing
from stages.avatar.siren.numpy_kernel import NumpyKernel
from stages.avatar.siren.passes import Passes
from stages.avatar.siren.products import OrtProduct, numpy_product
from stages.avatar.siren.renderer import Renderer
from stages.networks.student import Dense
from stages.networks.student_evaluation import Evaluation
from tests import made_up_student

WORKERS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("characters")


@pytest.fixture(scope="module")
def character(folder: Path) -> Character:
    return load_character(made_up_student.write(folder / "retouched"))


@pytest.fixture(scope="module")
def moved(folder: Path) -> Character:
    """One whose picture is moved and no more: what was transparent stays so."""
    return load_character(made_up_student.write(folder / "moved", retouch=False))


@pytest.fixture(scope="module")
def expected(character: Character) -> np.ndarray:
    """The frames of two poses, evaluated in plain NumPy."""
    face, body = (character.states[name] for name in ("face_morpher", "body_morpher"))
    evaluation = Evaluation(face, body, character.picture)
    return np.stack([evaluation.render(pose) for pose in made_up_student.poses(2)])


NATIVE = ["AVX-512", "AVX2", "vectors of four"]


def native(path: str, *, coarse: bool = False) -> NativeKernel:
    try:
        return NativeKernel(WORKERS, coarse=coarse, path=path)
    except NativeMissing as error:
        pytest.skip(f"runs where it was built, on such a processor: {error}")


@pytest.fixture(params=["NumPy", *NATIVE])
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return NumpyKernel(WORKERS) if request.param == "NumPy" else native(request.param)


@pytest.fixture
def fastest() -> Kernel:
    return best_kernel(WORKERS)


def renderer(character: Character, kernel: Kernel, crew: Crew, *, masked: bool) -> Renderer:
    return Renderer(Passes(character.networks(), character.picture), kernel, crew, masked=masked)


@pytest.fixture
def crew():
    opened = Crew(WORKERS)
    yield opened
    opened.close()


def drawn(renderer: Renderer, pose: np.ndarray) -> np.ndarray:
    frame = np.full((512, 512, 4), 77, np.uint8)
    renderer.render(pose, frame)
    return frame


def test_whole_frames_are_those_of_plain_numpy(
    character: Character, expected: np.ndarray, kernel: Kernel, crew: Crew
) -> None:
    whole = renderer(character, kernel, crew, masked=False)
    for pose, frame in zip(made_up_student.poses(2), expected, strict=True):
        off = np.abs(drawn(whole, pose).astype(int) - frame)
        assert off.max() <= 1 and (off > 0).mean() < 2e-3


def test_half_precision_in_early_layers_is_close(
    character: Character, expected: np.ndarray, crew: Crew
) -> None:
    coarse = native("AVX-512 with bfloat16", coarse=True)
    assert (coarse.precision, best_kernel(WORKERS, coarse=True).precision) == ("bf16", "bf16")
    frame = drawn(renderer(character, coarse, crew, masked=False), made_up_student.poses(1)[0])
    off = np.abs(frame.astype(int) - expected[0])
    assert 0.001 < (off > 1).mean() < 0.2, "another result, and nearly the same"
    assert np.square(off).mean() < 255**2 / 10**5, "50 dB"


def test_without_the_compiled_kernel_numpy_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PURE, "1")
    for coarse in (False, True):
        kernel = best_kernel(WORKERS, coarse=coarse)
        assert (kernel.name, kernel.precision) == ("NumPy", "fp32")
    with pytest.raises(NativeMissing, match=PURE):
        NativeKernel(WORKERS)


def test_the_compiled_kernel_refuses_what_does_not_fit(moved: Character) -> None:
    kernel = native("vectors of four")
    passes = Passes(moved.networks(), moved.picture)
    frame, seen = np.zeros((512, 512, 4), np.uint8), cells.everywhere()
    first, second, last = passes.body
    for box in ((0, 4, 0, 130), (-2, 4, 0, 8), (4, 4, 0, 8), (126, 130, 0, 8)):
        with pytest.raises(ValueError, match="does not lie in the arrays"):
            kernel.paint(0, first, cells.Box(*box))
    with pytest.raises(ValueError, match="does not lie in the arrays"):
        kernel.paint(0, second, cells.Box(1, 3, 0, 8))
    with pytest.raises(ValueError, match="another size"):
        kernel.show(0, last, cells.Box(0, 4, 0, 8), passes.picture, frame, seen[1:])
    with pytest.raises(ValueError, match="another type or layout"):
        kernel.paint(0, first._replace(target=first.target.astype(np.float64)), cells.FACE_BOXES[0])


def test_a_pose_of_no_numbers_touches_no_memory_it_must_not(moved: Character, crew: Crew) -> None:
    kernel = native("vectors of four")
    drawing = renderer(moved, kernel, crew, masked=True)
    for value in (np.nan, np.inf, 1e30):
        with np.errstate(all="ignore"):
            drawn(drawing, np.full(45, value, np.float32))
    pose = made_up_student.poses(1)[0]
    again = drawn(drawing, pose)
    assert np.array_equal(again, drawn(renderer(moved, kernel, crew, masked=True), pose))


def test_a_frame_after_one_that_failed_is_whole(
    moved: Character, fastest: Kernel, crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = renderer(moved, fastest, crew, masked=True)
    first, second = made_up_student.poses(2)
    drawn(drawing, first)

    def fail(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(fastest, "show", fail)
        with pytest.raises(MemoryError):
            drawn(drawing, second)
    again = drawn(drawing, second)
    assert np.array_equal(again, drawn(renderer(moved, fastest, crew, masked=False), second))


def test_nothing_that_is_seen_is_lost(moved: Character, fastest: Kernel, crew: Crew) -> None:
    whole = renderer(moved, fastest, crew, masked=False)
    masked = renderer(moved, fastest, crew, masked=True)
    poses = made_up_student.poses(4)
    # The last step is the way back at once: further than the margin reaches.
    for pose in (*poses, poses[0]):
        frame, cut = drawn(whole, pose), drawn(masked, pose)
        seen = frame[..., 3] > 0
        assert np.array_equal(cut[..., 3] > 0, seen)
        assert np.array_equal(cut[seen], frame[seen])
    most = masked.counts["frames"] * cells.ROW**2
    assert masked.counts["cells"] + masked.counts["cells_late"] < 0.7 * most


def test_what_is_drawn_apart_from_all_else_is_found_and_remembered(
    moved: Character, fastest: Kernel, crew: Crew
) -> None:
    masked = renderer(moved, fastest, crew, masked=True)
    pose = made_up_student.poses(1)[0]
    drawn(masked, pose)
    masked._passes.picture[40:48, 8:16] = 1  # as networks make specks: far from the character
    for _ in range(cells.ROW):
        pose[44] += 1e-3
        if drawn(masked, pose)[30:60, :30, 3].any():
            break
    for _ in range(3):
        pose[44] += 1e-3
        assert drawn(masked, pose)[30:60, :30, 3].any()


def test_the_face_is_kept_while_only_head_and_body_move(
    moved: Character, fastest: Kernel, crew: Crew
) -> None:
    kept = renderer(moved, fastest, crew, masked=True)
    pose = made_up_student.poses(1)[0]
    for index in (39, 44, 12):
        drawn(kept, pose)
        pose = pose.copy()
        pose[index] += 0.2
    last = drawn(kept, pose)
    assert (kept.counts["faces"], kept.counts["faces_kept"]) == (2, 2)
    afresh = drawn(renderer(moved, fastest, crew, masked=False), pose)
    seen = afresh[..., 3] > 0
    assert np.array_equal(last[seen], afresh[seen])


def test_a_repeated_pose_is_not_computed_again(
    moved: Character, fastest: Kernel, crew: Crew
) -> None:
    once = renderer(moved, fastest, crew, masked=True)
    pose = made_up_student.poses(1)[0]
    assert np.array_equal(drawn(once, pose), drawn(once, pose.copy()))
    assert (once.counts["frames"], once.counts["repeated"]) == (2, 1)


@given(st.integers(0, 2**64 - 1), st.floats(0.001, 0.6))
@settings(max_examples=40, deadline=None)
def test_boxes_cover_what_is_needed_and_lie_in_the_frame(seed: int, share: float) -> None:
    wanted = np.random.default_rng(seed).random((cells.ROW, cells.ROW)) < share
    needed = cells.needs(wanted)
    high = wanted.repeat(cells.CELL, 0).repeat(cells.CELL, 1)
    found = needed.boxes(cells.Rows(4, 8, 8) if seed % 2 else cells.Rows(2, 4, 4))
    for pixels, boxes in zip((needed.low, needed.middle, high), found, strict=True):
        covered = np.zeros(pixels.shape, int)
        for top, bottom, left, right in boxes:
            assert not (top % 2 or bottom % 2 or left % 2 or right % 2)
            assert 0 <= top < bottom <= len(pixels) and 0 <= left < right <= len(pixels)
            covered[top:bottom, left:right] += 1
        assert covered.max(initial=0) <= 1, "no pixel is computed twice"
        assert covered[pixels].all()
    if not seed % 2:
        assert (covered > 0).sum() == high.sum(), "of the frame, the cells that are wanted alone"


def test_each_pixel_of_a_level_has_its_neighbours_below() -> None:
    for row, column in ((0, 0), (127, 127), (20, 41)):
        wanted = np.zeros((cells.ROW, cells.ROW), np.bool_)
        wanted[row, column] = True
        needed = cells.needs(wanted)
        above = wanted.repeat(cells.CELL, 0).repeat(cells.CELL, 1)
        for below in (needed.middle, needed.low):
            for y, x in np.argwhere(above):
                for near_y in ((y - 1) // 2, (y + 1) // 2):
                    for near_x in ((x - 1) // 2, (x + 1) // 2):
                        inside = np.clip((near_y, near_x), 0, len(below) - 1)
                        assert below[tuple(inside)]
            above = below


def test_a_product_is_that_of_numpy() -> None:
    pytest.importorskip("onnxruntime", reason="runs where ONNX Runtime is installed")
    generator = np.random.default_rng(5)
    product = OrtProduct()
    for rows, before, after in ((300, 90, 90), (7, 360, 180), (1, 90, 7)):
        x = generator.standard_normal((rows, before), np.float32)
        weight = generator.standard_normal((before, after), np.float32)
        layer = Dense(weight, generator.standard_normal(after, np.float32))
        found, known = np.empty((2, rows, after), np.float32)
        product(x, layer, found)
        numpy_product(x, layer, known)
        assert np.allclose(found, known, rtol=1e-4, atol=1e-4)


def test_a_crew_does_every_task_once_and_in_different_threads(crew: Crew) -> None:
    both = threading.Barrier(WORKERS)
    done: list[tuple[int, int]] = []

    def work(worker: int, task: int) -> None:
        if task < WORKERS:
            both.wait(10)  # passes only if two threads are at it at once
        done.append((worker, task))

    crew.share(range(50), work)
    assert sorted(task for _, task in done) == list(range(50))
    assert {worker for worker, task in done if task < WORKERS} == set(range(WORKERS))
    crew.share([], work)


@pytest.mark.parametrize("where", [0, 1])
def test_a_crew_raises_what_a_task_raised_and_goes_on(crew: Crew, where: int) -> None:
    both = threading.Barrier(WORKERS)

    def work(worker: int, _task: int) -> None:
        both.wait(10)
        if worker == where:
            raise ValueError("this task")

    with pytest.raises(ValueError, match="this task"):
        crew.share(range(WORKERS), work)
    done: list[int] = []
    crew.share(range(5), lambda _, task: done.append(task))
    assert sorted(done) == list(range(5))
