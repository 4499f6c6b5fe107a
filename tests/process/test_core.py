"""The core object over the built-in poser: in this process, and as a session of processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from ezvtb_interface import CoreError, get_core
from pipeline.client import ask
from shm.segment import names
from shm.session import running_sessions
from stages.avatar.picture import SHIPPED
from stages.control import GetStatus
from tests.sessions import wait_until

ROOT = Path(__file__).parents[2]
PICTURE = SHIPPED / "ito.png"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """A folder for sessions that no other test uses."""
    folder = tmp_path_factory.mktemp("core")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AYATSURI_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture(params=[False, True], ids=["in process", "processes"], scope="module")
def core(request, runtime):
    """A core of each kind, x3, with a picture."""
    found = get_core(model_version="builtin", interpolation_scale=3, processes=request.param)
    found.setImage(cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED))
    yield found
    found.close()


def _pose(**values):
    from stages.pose import INDEX

    pose = np.zeros((1, 45), np.float32)
    for name, value in values.items():
        pose[0, INDEX[name]] = value
    return pose


def test_core_returns_as_many_pictures_as_the_scale(core):
    shapes = [(picture.shape, picture.dtype) for picture in core.inference(_pose(head_y=0.3))]
    assert shapes == [((512, 512, 4), np.uint8)] * 3


def test_the_last_picture_is_the_pose_and_those_before_lie_on_the_way(core):
    before = core.inference(_pose(neck_z=0.0))[-1].astype(int)
    pictures = [picture.astype(int) for picture in core.inference(_pose(neck_z=0.8))]
    off = [np.abs(picture - before).mean() for picture in pictures]
    assert 0 < off[0] < off[1] < off[2]


def test_neutral_pose_shows_the_picture_as_it_is(core):
    picture = cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED)
    core.inference(_pose(head_x=0.5))
    shown = core.inference(_pose())[-1]
    # A JPEG of the cacher may stand for it: the bound of quality 85.
    assert np.abs(shown.astype(int) - picture)[picture[..., 3] == 255].mean() < 3


def test_a_list_of_poses_shows_the_last_one(core):
    alone = core.inference(_pose(head_y=-0.6))[-1].copy()
    core.inference(_pose())
    listed = core.inference([_pose(head_y=0.1), _pose(head_y=-0.2), _pose(head_y=-0.6)])[-1]
    assert np.abs(alone.astype(int) - listed).mean() < 1


def _in_process(**options):
    found = get_core(
        model_version="builtin",
        interpolation_scale=4,
        processes=False,
        cacher_quality=100,
        **options,
    )
    found.setImage(cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED))
    return found


def _row(*values):
    return [_pose(neck_z=value) for value in values]


def test_pictures_in_between_are_found_again_under_their_own_poses():
    with _in_process() as core:
        core.inference(_pose())
        first = [picture.copy() for picture in core.inference(_row(0.2, 0.4, 0.6, 0.8))]
        core.inference(_pose())
        again = core.inference(_row(0.2, 0.4, 0.6, 0.8))
        assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))


def test_a_gap_between_cached_pictures_is_filled_from_its_neighbours():
    with _in_process() as core:
        core.inference(_pose())
        known = [picture.copy() for picture in core.inference(_row(0.2, 0.4, 0.6, 0.8))]
        core.inference(_pose())
        # The middle one is not known; with the others it is half way between its neighbours.
        filled = core.inference(_row(0.2, 0.5, 0.6, 0.8))
        assert np.array_equal(filled[0], known[0]) and np.array_equal(filled[2], known[2])
        off = [np.abs(filled[1].astype(int) - picture).mean() for picture in (known[0], known[2])]
        apart = np.abs(known[0].astype(int) - known[2]).mean()
        assert max(off) < 0.8 * apart


def test_a_picture_made_in_between_never_stands_for_the_pose_itself():
    with _in_process() as core:
        core.inference(_pose())
        between = core.inference(_row(0.2, 0.4, 0.6, 0.8))[1].copy()
        drawn = core.inference(_pose(neck_z=0.4))[-1].copy()
        assert not np.array_equal(between, drawn)
        # And the drawn one, being the better, is shown in between from then on.
        core.inference(_pose())
        assert np.array_equal(core.inference(_row(0.2, 0.4, 0.6, 0.8))[1], drawn)


def test_a_core_finds_pictures_of_another_core_in_the_database(tmp_path):
    path = tmp_path / "frames.db"
    options = {"cacher_on_database": True, "cacher_db_path": str(path)}
    with _in_process(**options) as core:
        drawn = core.inference(_pose(head_x=0.4))[-1].copy()
    with _in_process(**options) as core:
        wait_until(lambda: core.counters()["entries"] == 1)
        assert np.array_equal(core.inference(_pose(head_x=0.4))[-1], drawn)
        assert core.counters()["hits"] == 1


def test_a_foreign_database_is_refused_by_name(tmp_path):
    path = tmp_path / "letters.db"
    path.write_text("dear diary")
    with pytest.raises(CoreError, match=r"letters\.db is not a database"):
        get_core(
            model_version="builtin",
            processes=False,
            cacher_on_database=True,
            cacher_db_path=str(path),
        )
    assert path.read_text() == "dear diary"


def test_processes_keep_pictures_in_the_database_too(runtime, tmp_path):
    path = tmp_path / "frames.db"
    options = {"cacher_on_database": True, "cacher_db_path": str(path), "use_interpolation": False}
    for _ in range(2):
        with get_core(model_version="builtin", cacher_quality=100, **options) as core:
            core.setImage(cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED))
            for step in range(5):
                core.inference(_pose(head_x=step / 10))
    with _in_process(cacher_on_database=True, cacher_db_path=str(path)) as core:
        core.inference(_pose(head_x=0.2))
        assert core.counters()["hits"] == 1


@pytest.mark.parametrize(
    ("pose", "complaint"),
    [
        (np.zeros((1, 44), np.float32), "shape"),
        (np.full((1, 45), np.nan, np.float32), "parameter 0"),
        ("pose", "45 numbers"),
        (None, "shape"),
    ],
)
def test_bad_pose_is_refused_and_the_core_stays_usable(core, pose, complaint):
    with pytest.raises(CoreError, match=complaint):
        core.inference(pose)
    assert len(core.inference(_pose())) == 3


@pytest.mark.parametrize(
    ("image", "complaint"),
    [
        (None, "imread"),
        (np.zeros((512, 512, 3), np.uint8), "alpha"),
        (np.zeros((256, 256, 4), np.uint8), "512, 512, 4"),
        (np.zeros((512, 512, 4), np.float32), "uint8"),
    ],
)
def test_bad_picture_is_refused_and_the_core_stays_usable(core, image, complaint):
    with pytest.raises(CoreError, match=complaint):
        core.setImage(image)
    assert len(core.inference(_pose())) == 3


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"interpolation_scale": 5}, "2, 3 or 4"),
        ({"cacher_quality": 101}, "0 to 100"),
        ({"cacher_ram_size": 0}, "gigabytes"),
        ({"model_version": "v9"}, "model_version"),
        ({"colour": "red"}, "no option"),
    ],
)
def test_bad_option_is_refused_with_a_sentence(options, complaint):
    with pytest.raises(CoreError, match=complaint):
        get_core(**{"model_version": "builtin", "processes": False, **options})


def test_without_interpolation_and_cacher_one_exact_picture_comes_back():
    options = {"use_interpolation": False, "use_cacher": False, "processes": False}
    with get_core(model_version="builtin", **options) as core:
        picture = cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED)
        core.setImage(picture)
        (shown,) = core.inference(_pose())
        assert (shown[picture[..., 3] > 0] == picture[picture[..., 3] > 0]).all()


def test_processes_draw_the_same_pixels_as_one_process(runtime):
    options = {"model_version": "builtin", "use_interpolation": False, "use_cacher": False}
    picture = cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED)
    poses = [_pose(head_y=0.1 * n, neck_z=-0.07 * n, breathing=0.1 * n) for n in range(8)]
    with get_core(processes=False, **options) as one, get_core(processes=True, **options) as many:
        one.setImage(picture)
        many.setImage(picture)
        for pose in poses:
            assert np.array_equal(one.inference(pose)[0], many.inference(pose)[0])


def test_stream_gives_the_pictures_of_every_pose_in_order(runtime):
    picture = cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED)
    poses = [_pose(body_z=0.05 * n) for n in range(20)]
    options = {"model_version": "builtin", "use_cacher": False, "interpolation_scale": 2}
    with get_core(processes=True, **options) as core:
        core.setImage(picture)
        one_by_one = [core.inference(pose)[-1].copy() for pose in poses]
        core.setImage(picture)
        streamed = [pictures[-1].copy() for pictures in core.stream(poses)]
    assert all(map(np.array_equal, one_by_one, streamed))


def test_core_without_a_picture_says_so():
    with (
        get_core(model_version="builtin", processes=False) as core,
        pytest.raises(CoreError, match="setImage"),
    ):
        core.inference(_pose())


def test_a_killed_program_takes_its_core_along(tmp_path):
    program = f"""
import cv2, sys
from ezvtb_interface import get_core
core = get_core(model_version="builtin")
core.setImage(cv2.imread({str(PICTURE)!r}, cv2.IMREAD_UNCHANGED))
print("ready", flush=True)
sys.stdin.read()
"""
    environment = {**os.environ, "AYATSURI_RUNTIME_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AYATSURI_RUNTIME_DIR", str(tmp_path))
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (session,) = running_sessions()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        wait_until(lambda: not running_sessions() and not names(f"aya-{session}-"), 10)


def test_core_that_is_forgotten_ends_its_session(runtime):
    before = set(running_sessions())
    core = get_core(model_version="builtin", use_cacher=False)
    (session,) = set(running_sessions()) - before
    del core
    wait_until(lambda: session not in running_sessions(), 10)


class Played:
    """A session of a core before a cacher, a flow and what they count."""

    def __init__(self, core):
        self.core = core
        self.given = 0

    def play(self, poses):
        """Show these poses one after the other; return all pictures."""
        pictures = []
        for pose in poses:
            pictures += [picture.copy() for picture in self.core.inference(pose)]
        self.given += len(poses)
        return pictures

    def counted(self, stage, name):
        """What a stage has counted when it has given all frames and stored what it could."""
        return self._row(stage)["counters"].get(name, 0)

    def settle(self):
        """Wait until the beats tell of all that was played."""
        wait_until(lambda: self.counted("cacher", "frames_out") >= self.given, what="a beat")
        frames = 2 * self.given - 1
        wait_until(lambda: self.counted("interpolation", "frames_out") == frames, what="a beat")

    def _row(self, stage):
        rows = ask(self.core._name, GetStatus())["stages"]
        return next(row for row in rows if row["name"] == stage)


def test_a_second_pass_makes_nothing_in_between_and_shows_the_same(runtime):
    loop = [_pose(neck_z=np.sin(step), head_x=step / 900) for step in range(9)]
    loop.append(loop[0])
    with get_core(model_version="builtin", cacher_quality=100) as core:
        core.setImage(cv2.imread(str(PICTURE), cv2.IMREAD_UNCHANGED))
        played = Played(core)
        first = played.play(loop)[1:]  # there is no way to the first pose
        played.settle()
        made = played.counted("interpolation", "interpolated")
        assert made == 9
        wait_until(lambda: played.counted("cacher", "kept_between") == made, what="pictures kept")
        again = played.play(loop[1:])
        played.settle()
        assert played.counted("interpolation", "interpolated") == made
        assert played.counted("interpolation", "from_cache") == 9
        assert played.counted("cacher", "kept_between") == made
    assert all(np.array_equal(*pair) for pair in zip(first[1:], again, strict=True))
