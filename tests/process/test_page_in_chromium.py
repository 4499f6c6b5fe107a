"""The live page in a real headless Chromium, used as a visitor does."""

import base64
import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from stages.avatar.picture import SHIPPED
from stages.control import Restart
from stages.pose import INDEX
from tests import made_up_student
from tests.sessions import QUICK_RESTARTS, Session, started_session, wait_until

pytest.importorskip("aiohttp", reason="the page needs aiohttp")

from tests.chromium import PROGRAM, Page, chromium

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="needs a Chromium, such as Debian's package chromium"
)

GREEN = (0, 255, 0)
# Nothing moves by itself: what changes is what a test has done.
STILL = ("stages.ingest.options.idle=false", "stages.page.options.port=0", *QUICK_RESTARTS)
PICTURE = "document.getElementById('picture').getBoundingClientRect().toJSON()"


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Iterator[Session]:
    """One session for all tests, its picture with a half-transparent white disc in a corner."""
    path = tmp_path_factory.mktemp("picture") / "disc.png"
    path.write_bytes(picture_with_disc())
    picture = f"stages.avatar.options.picture={path}"
    with started_session(*STILL, picture, config="default") as running:
        wait_until(lambda: _has_file(running), what="a session file")
        running.wait_running()
        yield running
        assert running.end() == 0, running.log


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    """One browser for all tests."""
    with chromium() as page:
        yield page


@pytest.fixture
def page(session: Session, browser: Page) -> Page:
    """The page, freshly opened, a neutral pose on show and held."""
    browser.console.clear()
    browser.size(1200, 900)
    browser.open(session.content()["endpoints"]["page"])
    browser.wait("document.querySelectorAll('.slider').length === 45")
    browser.run("document.getElementById('hold').click()")
    browser.run("document.getElementById('reset').click()")
    wait_until(lambda: np.abs(pose(session)).max() < 0.01, what="a neutral pose")
    standing(browser)
    browser.wait("document.getElementById('state').textContent === 'running'")
    return browser


def _has_file(session: Session) -> bool:
    return (session.runtime / session.name / "session.json").exists()


def picture_with_disc() -> bytes:
    picture = cv2.imread(str(SHIPPED / "ito.png"), cv2.IMREAD_UNCHANGED)
    cv2.circle(picture, (60, 440), 30, (255, 255, 255, 128), -1)
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


def pose(session: Session) -> np.ndarray:
    with session.reader() as ring:
        frame = ring.latest()
        return np.frombuffer(frame.stamp.pose, "<f4") if frame else np.ones(45)


def canvas(page: Page) -> np.ndarray:
    """Return what is seen of the picture, 512 x 512, BGRA."""
    box = page.run(PICTURE)
    seen = page.screenshot()
    left, top = round(box["x"]), round(box["y"])
    height, width = round(box["height"]), round(box["width"])
    part = seen[top : top + height, left : left + width]
    side = min(part.shape[:2])
    from_left, from_top = (part.shape[1] - side) // 2, (part.shape[0] - side) // 2
    square = part[from_top : from_top + side, from_left : from_left + side]
    return cv2.resize(square, (512, 512), interpolation=cv2.INTER_AREA)


def standing(page: Page) -> np.ndarray:
    """Return what is seen of the picture once the character is there and moves no more."""
    seen = [canvas(page)]

    def stands() -> bool:
        seen.append(canvas(page))
        is_there = seen[-1][400, 255, :3].max() < 150  # the dark skirt, over a light page
        return is_there and distance(seen[-1], seen[-2]) < 0.1

    wait_until(stands, what="a picture that stands still")
    return seen[-1]


def slide(page: Page, name: str, value: float) -> None:
    page.run(
        f"{{ const input = document.querySelector('input[name={name}]'); input.value = {value};"
        "input.dispatchEvent(new Event('input')); }"
    )


def drop(page: Page, content: bytes, name: str, kind: str) -> None:
    """Drop a file on the picture as a file manager does."""
    encoded = base64.b64encode(content).decode()
    page.run(
        f"""{{
        const bytes = Uint8Array.from(atob("{encoded}"), (letter) => letter.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], "{name}", {{ type: "{kind}" }}));
        const how = {{ dataTransfer, bubbles: true, cancelable: true }};
        document.getElementById("picture").dispatchEvent(new DragEvent("drop", how)); }}"""
    )


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def look(session: Session) -> int:
    with session.reader() as ring:
        return int(ring.latest().stamp.look)


# --- the picture


def test_frame_changes_when_a_slider_moves_and_comes_back(session, page):
    neutral = standing(page)
    slide(page, "neck_z", 1)
    wait_until(lambda: pose(session)[INDEX["neck_z"]] > 0.99, what="the pose of the slider")
    wait_until(lambda: distance(canvas(page), neutral) > 3, what="another picture")
    page.run("document.getElementById('reset').click()")
    wait_until(lambda: distance(canvas(page), neutral) < 1, what="the picture as it was")


def test_both_sides_move_together_or_apart(session, page):
    slide(page, "eye_wink_left", 1)
    wait_until(lambda: pose(session)[INDEX["eye_wink_right"]] > 0.9, what="both eyes")
    page.run("document.getElementById('mirror').click()")
    page.run("document.getElementById('reset').click()")
    wait_until(lambda: np.abs(pose(session)).max() < 0.01, what="a neutral pose")
    slide(page, "eye_wink_left", 1)
    wait_until(lambda: pose(session)[INDEX["eye_wink_left"]] > 0.9, what="one eye")
    assert pose(session)[INDEX["eye_wink_right"]] < 0.1
    page.run("document.getElementById('mirror').click()")


def test_transparency_over_green(page):
    page.run("document.querySelector('input[value=green]').click()")
    wait_until(lambda: tuple(canvas(page)[40, 40, :3]) == GREEN, what="green")
    seen = canvas(page)
    page.run("document.querySelector('input[value=checker]').click()")
    assert tuple(seen[40, 40, :3]) == GREEN
    # The half-transparent white disc, and the skirt, which lets nothing through.
    assert np.abs(seen[430:450, 50:70, :3].astype(int) - (128, 255, 128)).max() <= 8
    assert distance(seen[400:420, 250:260, :3], np.array(GREEN)) > 60


def test_transparency_over_the_checkerboard(page):
    page.run("document.querySelector('input[value=checker]').click()")
    background = canvas(page)[:90, :90, :3]
    colours, counts = np.unique(background.reshape(-1, 3), axis=0, return_counts=True)
    plain = colours[np.argsort(counts)[-2:]]
    assert {tuple(colour) for colour in plain} == {(255, 255, 255), (0xEA, 0xE0, 0xE4)}


def test_own_background_colour(page):
    page.run("document.querySelector('input[value=custom]').click()")
    page.run(
        "{ const well = document.getElementById('colour'); well.value = '#102030';"
        "well.dispatchEvent(new Event('input')); }"
    )
    wait_until(lambda: tuple(canvas(page)[40, 40, :3]) == (0x30, 0x20, 0x10), what="the own colour")
    page.run("document.querySelector('input[value=checker]').click()")


def test_pixel_painter_paints_the_same(session, page):
    """Where there is no WebGL."""
    with_webgl = standing(page)
    page.open(session.content()["endpoints"]["page"] + "?painter=2d")
    wait_until(lambda: distance(canvas(page), with_webgl) < 1.5, what="the same picture")


# --- moving it


def test_head_follows_the_mouse_and_a_click_blinks(session, page):
    box = page.run(PICTURE)
    right, middle = box["x"] + box["width"] - 5, box["y"] + box["height"] * 0.27
    page.mouse("mouseMoved", right, middle)
    wait_until(lambda: pose(session)[INDEX["head_y"]] < -0.5, what="a turned head")
    blinked = []

    def has_blinked() -> bool:
        blinked.append(pose(session)[INDEX["eye_wink_left"]])
        return max(blinked) > 0.3

    page.mouse("mousePressed", right, middle, button="left", clickCount=1)
    page.mouse("mouseReleased", right, middle, button="left", clickCount=1)
    wait_until(has_blinked, what="a blink")
    page.mouse("mouseWheel", right, middle, deltaX=0, deltaY=100)
    page.mouse("mouseWheel", right, middle, deltaX=0, deltaY=100)
    wait_until(lambda: pose(session)[INDEX["body_z"]] > 0.3, what="leaning")


def test_keys_are_enough(session, page):
    page.run("document.activeElement.blur()")
    page.key("6", "Digit6", "6")
    wait_until(lambda: pose(session)[INDEX["eyebrow_angry_left"]] > 0.9, what="an angry face")
    page.key("r", "KeyR", "r")
    wait_until(lambda: np.abs(pose(session)).max() < 0.01, what="a neutral pose")
    page.run("document.getElementById('picture').focus()")
    for _ in range(3):
        page.key("ArrowLeft")
    wait_until(lambda: pose(session)[INDEX["head_y"]] > 0.4, what="a turned head")
    page.run("document.querySelector('input[name=body_z]').focus()")
    for _ in range(20):
        page.command("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight",
                     windowsVirtualKeyCode=39)  # fmt: skip
    wait_until(lambda: pose(session)[INDEX["body_z"]] > 0.15, what="a leaning body")


def test_everything_is_reached_with_the_tab_key(page):
    page.run("document.activeElement.blur()")
    reached = set()
    for _ in range(24):
        page.command("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab",
                     windowsVirtualKeyCode=9)  # fmt: skip
        reached.add(page.run("document.activeElement.id || document.activeElement.textContent"))
    assert {"pause", "picture", "choose", "record", "hold", "reset", "mirror"} <= reached


# --- another character


def test_dropped_picture_appears(session, page):
    before = look(session)
    koma = (SHIPPED / "koma.png").read_bytes()
    drop(page, koma, "koma.png", "image/png")
    wait_until(lambda: look(session) != before, what="another look")
    expected = cv2.imdecode(np.frombuffer(koma, np.uint8), cv2.IMREAD_UNCHANGED)
    solid = expected[..., 3] == 255
    wait_until(
        lambda: distance(canvas(page)[..., :3][solid], expected[..., :3][solid]) < 12,
        what="Koma on the page",
    )
    drop(page, picture_with_disc(), "disc.png", "image/png")
    wait_until(lambda: look(session) == before, what="the look as it was")


def test_dropped_folder_of_a_trained_character_appears(session, page, tmp_path):
    before = look(session)
    folder = made_up_student.write(tmp_path / "mine")
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    page.run("window.drops = 0; addEventListener('drop', () => window.drops++)")

    def dropped() -> bool:
        # Whether it may be dropped here the browser learns from an event before: so, repeatedly.
        for kind in ("dragEnter", "dragOver", "dragOver", "drop"):
            page.command("Input.dispatchDragEvent", type=kind, x=200, y=200, data=data)
        return bool(page.run("window.drops"))

    wait_until(dropped, what="the browser lets the folder be dropped")
    wait_until(lambda: look(session) != before, what="another look")
    drop(page, picture_with_disc(), "disc.png", "image/png")
    wait_until(lambda: look(session) == before, what="the look as it was")


def test_wrong_file_gives_a_readable_error(session, page):
    before = look(session)
    drop(page, b"just text", "notes.txt", "text/plain")
    text = page.wait("document.querySelector('.toast.bad')?.textContent")
    assert "notes.txt" in text and "neither PNG nor WebP" in text
    assert look(session) == before


def test_picture_that_does_not_fit_is_fitted(session, page):
    before = look(session)
    picture = np.zeros((900, 700, 3), np.uint8)
    picture[:] = (200, 230, 210)
    koma = cv2.imread(str(SHIPPED / "koma.png"), cv2.IMREAD_UNCHANGED)
    solid = koma[..., 3] > 127
    picture[200:712, 100:612][solid] = koma[..., :3][solid]
    drop(page, cv2.imencode(".jpg", picture)[1].tobytes(), "photo.jpg", "image/jpeg")
    page.wait("document.getElementById('fit').open")
    assert "has no alpha channel" in page.run("document.getElementById('fit-reason').textContent")
    preview = page.run(
        "[...document.getElementById('fit-canvas').getContext('2d').getImageData(0, 0, 9, 9).data]"
    )
    assert set(preview[3::4]) == {0}, "the plain background is cut out"
    page.run("document.getElementById('fit-apply').click()")
    wait_until(lambda: look(session) != before, what="another look")
    drop(page, picture_with_disc(), "disc.png", "image/png")
    wait_until(lambda: look(session) == before, what="the look as it was")


def test_recording_is_offered(page):
    page.run("document.getElementById('record').click()")
    for value in (1, 0):  # something that moves
        slide(page, "body_z", value)
    page.wait("document.querySelectorAll('#record-start:enabled').length")
    page.run("document.getElementById('record-start').click()")
    page.wait("document.querySelector('#recording img')?.naturalWidth === 512")
    assert "Download" in page.run("document.getElementById('record-result').textContent")


# --- trouble


def test_page_survives_the_death_of_a_stage_and_says_so(session, page):
    neutral = standing(page)
    session.kill("avatar")
    page.wait("document.getElementById('log').textContent.includes('avatar was killed')")
    assert distance(canvas(page), neutral) < 3
    page.wait("document.getElementById('log').textContent.includes('avatar is ready')")
    slide(page, "neck_z", 1)
    wait_until(lambda: distance(canvas(page), neutral) > 3, what="a new picture")


def test_restart_button_starts_the_stage_again(session, page):
    before = session.pid("cacher")
    page.run("document.querySelector('[data-stage=cacher] button').click()")
    wait_until(lambda: session.pid("cacher") not in (None, before), what="another process")
    page.wait("document.getElementById('log').textContent.includes('cacher is ready')")


def test_pause_button_pauses_and_goes_on(session, page):
    page.run("document.getElementById('pause').click()")
    page.wait("document.getElementById('banner').textContent === 'Paused'")
    assert session.status()["state"] == "paused"
    page.run("document.getElementById('pause').click()")
    page.wait("document.getElementById('state').textContent === 'running'")


def test_page_holds_the_last_picture_while_its_stage_is_gone_and_comes_back(session, page):
    neutral = standing(page)
    session.ask(Restart(stage="page"))
    page.wait("!document.getElementById('banner').hidden")
    assert distance(canvas(page)[:300], neutral[:300]) < 3  # the banner is below
    page.wait("document.getElementById('banner').hidden")
    page.wait("document.getElementById('log').textContent.includes('The session is back')")


def test_charts_are_drawn(page):
    for index in range(3):
        page.wait(
            f"""(() => {{
            const canvas = document.querySelectorAll(".chart canvas")[{index}];
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(pixels.data.buffer)).size > 12;
        }})()"""
        )


# --- the picture alone


def test_picture_alone_is_on_nothing(session, browser):
    browser.size(512, 512)
    browser.open(session.content()["endpoints"]["page"] + "frame")
    wait_until(lambda: browser.screenshot()[400, 255, 3] == 255, what="the character")
    seen = browser.screenshot()
    assert tuple(seen[5, 5]) == (0, 0, 0, 0)
    assert abs(int(seen[440, 60, 3]) - 128) <= 4


def test_picture_alone_takes_options(session, browser):
    browser.size(640, 512)
    browser.open(session.content()["endpoints"]["page"] + "frame?bg=lime&stats=1&fit=none")
    wait_until(lambda: tuple(browser.screenshot()[5, 630]) == (*GREEN, 255), what="green")
    wait_until(lambda: tuple(browser.screenshot()[400, 255, :3]) != GREEN, what="the character")
    browser.wait("document.getElementById('stats').textContent.includes('frames/s')")


# --- everywhere


@pytest.mark.parametrize("width", [320, 390, 768])
def test_small_screens_need_no_scrolling_sideways(page, width):
    page.size(width, 800, mobile=True)
    assert page.run("document.documentElement.scrollWidth") <= width


def test_nothing_comes_from_elsewhere(session, page):
    base = session.content()["endpoints"]["page"]
    names = page.run("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert names and all(name.startswith((base, "blob:")) for name in names)
    errors = [line for line in page.console if json.loads(line).get("exceptionDetails")]
    assert not errors
