"""The database of pictures: what it finds again, what it forgets, and whom it refuses."""

import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import wait_until

from stages.cacher.database import LEAST_BUDGET_BYTES, DatabaseRejected, DatabaseStore
from stages.cacher.database_file import JOURNAL_BYTES, open_to_read
from stages.cacher.database_writer import QUEUE_BYTES, RESERVED_BYTES
from stages.cacher.layers import LayeredStore
from stages.cacher.store import RamStore, Store

BUDGET = LEAST_BUDGET_BYTES
ROOM = BUDGET - RESERVED_BYTES  # for the file alone
LARGE = ROOM // 6  # of these, five fit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "frames.db"


@pytest.fixture
def store(path: Path) -> Iterator[DatabaseStore]:
    store = DatabaseStore(path, BUDGET)
    yield store
    store.close()


def blob_of(number: int, size: int = 5000) -> bytes:
    return random.Random(number).randbytes(size)


def all_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))


def test_what_was_put_is_found_at_once_and_after_reopening(path: Path) -> None:
    store = DatabaseStore(path, BUDGET)
    store.put(b"a", b"first")
    assert store.get(b"a") == b"first"
    store.close()
    with_again = DatabaseStore(path, BUDGET)
    assert with_again.get(b"a") == b"first"
    assert with_again.get(b"b") is None
    with_again.close()


keys = st.integers(0, 9).map(lambda number: b"key%d" % number)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.integers(1, 3000)),
        st.tuples(st.just("put"), keys, st.just(LARGE)),
        st.tuples(st.just("get"), keys, st.just(0)),
        st.tuples(st.just("remove"), keys, st.just(0)),
        st.tuples(st.just("reopen"), st.just(b""), st.just(0)),
    ),
    max_size=25,
)


class Model:
    """What was last put under each key, and when each was last used."""

    def __init__(self) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.used: dict[bytes, int] = {}
        self.clock = 0

    def use(self, key: bytes) -> None:
        self.clock += 1
        self.used[key] = self.clock

    def evict(self, kept: set[bytes]) -> None:
        """Forget all but `kept`; fail if any of these was used longer ago than one forgotten."""
        gone = self.blobs.keys() - kept
        if gone and kept:
            assert max(self.used[key] for key in gone) < min(self.used[key] for key in kept)
        self.blobs = {key: blob for key, blob in self.blobs.items() if key in kept}


@given(actions=steps, layered=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_store_does_what_the_model_does(
    actions: list[tuple[str, bytes, int]], layered: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.db"

        def opened() -> tuple[Store, DatabaseStore]:
            database = DatabaseStore(path, BUDGET)
            # A memory of nearly nothing and one of some entries: both must be invisible.
            return (
                (LayeredStore(RamStore(4000), database), database)
                if layered
                else (database, database)
            )

        model = Model()
        store, database = opened()
        for number, (action, key, size) in enumerate(actions):
            if action == "put":
                blob = blob_of(number, size)
                assert store.put(key, blob)
                model.blobs[key] = blob
                model.use(key)
            elif action == "get":
                found = store.get(key)
                assert found == model.blobs.get(key)
                if found is not None:
                    model.use(key)
            elif action == "remove":
                store.remove(key)
                model.blobs.pop(key, None)
            else:
                store.close()
                store, database = opened()
            assert database.flush()
            model.evict({key for key in model.blobs if key in database})
            assert all_bytes(path) <= BUDGET
        assert database.statistics().entries == len(model.blobs)
        store.close()


def test_the_file_with_its_log_stays_within_the_budget(path: Path, store: DatabaseStore) -> None:
    for number in range(900):
        assert store.put(b"%d" % number, blob_of(number, 33_000))
        if number % 100 == 0:
            assert store.flush()
            assert all_bytes(path) <= BUDGET
    assert store.flush()
    counts = store.statistics()
    assert counts.evictions > 300
    assert counts.used_bytes <= ROOM
    assert counts.entries * 33_000 > 0.9 * ROOM
    assert store.get(b"0") is None
    assert store.get(b"899") == blob_of(899, 33_000)


def test_a_smaller_budget_gives_space_back_to_the_file_system(path: Path) -> None:
    large = DatabaseStore(path, BUDGET + 2 * ROOM)
    for number in range(500):
        large.put(b"%d" % number, blob_of(number, 60_000))
        large.flush()
    large.close()
    assert path.stat().st_size > ROOM
    small = DatabaseStore(path, BUDGET)
    wait_until(lambda: 0 < small.statistics().used_bytes <= ROOM)
    small.close()
    again = DatabaseStore(path, BUDGET)
    assert again.get(b"499") == blob_of(499, 60_000)
    again.close()
    assert path.stat().st_size <= ROOM


def test_a_blob_too_large_is_refused_and_leaves_no_older_one(store: DatabaseStore) -> None:
    store.put(b"a", b"small")
    assert not store.put(b"a", bytes(ROOM))
    assert store.get(b"a") is None
    assert store.statistics().refused == 1


def test_a_full_queue_drops_what_comes_and_says_so(
    store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another program that writes holds the file: the writer waits, and so does the queue.
    other = sqlite3.connect(store._path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    blob = bytes(1_000_000)
    taken = sum(store.put(b"%d" % number, blob) for number in range(40))
    assert QUEUE_BYTES // len(blob) <= taken < 40
    assert store.statistics().unwritten == 40 - taken
    other.execute("ROLLBACK")
    other.close()
    assert store.flush(20.0)
    assert store.get(b"0") == blob


def test_two_stores_share_a_file(path: Path, store: DatabaseStore) -> None:
    other = DatabaseStore(path, BUDGET)
    for number in range(60):
        (store if number % 2 else other).put(b"%d" % number, blob_of(number))
    assert store.flush() and other.flush()
    for number in range(60):
        assert (other if number % 2 else store).get(b"%d" % number) == blob_of(number)
    other.close()
    assert store.trouble is None and other.trouble is None


@pytest.mark.parametrize(
    "content", [b"x", b"not a database" * 1000, b"SQLite format 3\0" + bytes(9000)]
)
def test_a_file_of_something_else_is_refused_by_name_and_left_alone(
    path: Path, content: bytes
) -> None:
    path.write_bytes(content)
    with pytest.raises(DatabaseRejected, match=r"frames\.db"):
        DatabaseStore(path, BUDGET)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_of_another_program_is_refused_and_left_alone(path: Path, journal: str) -> None:
    foreign = sqlite3.connect(path, isolation_level=None)
    foreign.execute(f"PRAGMA journal_mode = {journal}")
    foreign.execute("CREATE TABLE pictures (id INTEGER PRIMARY KEY, secret TEXT)")
    foreign.execute("INSERT INTO pictures VALUES (1, 'mine')")
    foreign.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseRejected, match=r"frames\.db is not a database of pictures"):
        DatabaseStore(path, BUDGET)
    assert path.read_bytes() == before


def filled(path: Path) -> bytes:
    """Write a database of some entries; return its bytes."""
    store = DatabaseStore(path, BUDGET)
    for number in range(50):
        store.put(b"%d" % number, blob_of(number, 20_000))
    store.close()
    return path.read_bytes()


def test_a_file_cut_short_is_refused_and_left_alone(path: Path) -> None:
    cut = filled(path)[:-5000]
    path.write_bytes(cut)
    with pytest.raises(DatabaseRejected, match=r"frames\.db is damaged"):
        DatabaseStore(path, BUDGET)
    assert path.read_bytes() == cut


def test_a_file_of_another_layout_is_refused(path: Path) -> None:
    filled(path)
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(DatabaseRejected, match="another version"):
        DatabaseStore(path, BUDGET)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_damage_is_refused_or_missed_but_never_shown_nor_raised(seed: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frames.db"
        content = bytearray(filled(path))
        for _ in range(chance.choice((1, 10, 100))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            store = DatabaseStore(path, BUDGET)
        except DatabaseRejected as reason:
            assert "frames.db" in str(reason)
            return
        for number in range(50):
            store.get(b"%d" % number)  # the blob's own checksum is the codec's business
        store.put(b"more", b"blob")
        store.close()


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRejected, match="is a folder"):
        DatabaseStore(tmp_path, BUDGET)
    with pytest.raises(DatabaseRejected, match="there is no folder"):
        DatabaseStore(tmp_path / "missing" / "frames.db", BUDGET)


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    filled(path)
    assert open_to_read(path).execute("SELECT count(*) FROM pictures").fetchone() == (50,)


def test_opening_to_read_makes_nothing(path: Path) -> None:
    with pytest.raises(DatabaseRejected, match="there is no database"):
        open_to_read(path)
    assert not path.exists()


def test_too_small_a_budget_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="budget_bytes"):
        DatabaseStore(path, LEAST_BUDGET_BYTES - 1)
    assert not path.exists()


def test_a_miss_reads_no_picture_and_the_log_is_bounded(path: Path, store: DatabaseStore) -> None:
    for number in range(400):
        store.put(b"%d" % number, blob_of(number, 33_000))
        if number % 16 == 0:
            store.flush()
    store.flush()
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_size <= RESERVED_BYTES - JOURNAL_BYTES
    plan = store._reader.execute("EXPLAIN QUERY PLAN SELECT key FROM pictures WHERE id = 1")
    assert not any("blobs" in str(row) for row in plan)


@pytest.mark.skipif(os.geteuid() == 0, reason="runs where the user may not write everywhere")
def test_a_file_that_may_not_be_written_is_refused(path: Path) -> None:
    filled(path)
    path.chmod(0o400)
    with pytest.raises(DatabaseRejected, match="can be written"):
        DatabaseStore(path, BUDGET)


LOCKS = Path("/proc/locks")


@pytest.mark.skipif(not LOCKS.exists(), reason="runs where the system lists its locks")
def test_opening_a_file_again_keeps_this_processs_locks_on_it(path: Path) -> None:
    def locked() -> bool:
        mine = [
            line.split() for line in LOCKS.read_text().splitlines() if f" {os.getpid()} " in line
        ]
        return any(line[5].endswith(f":{path.stat().st_ino}") for line in mine)

    store = DatabaseStore(path, BUDGET)
    assert locked(), "by which other processes know that its log is in use"
    DatabaseStore(path, BUDGET).close()
    assert locked()
    store.close()


SHARES = {0: 0.5, 1: 0.25, 2: 0.25}


def fill(store: DatabaseStore, maker: int, count: int) -> None:
    for number in range(count):
        assert store.put(b"%d" % number + bytes([maker]), blob_of(number, 33_000))
        if number % 50 == 0:
            assert store.flush()
    assert store.flush()


def test_pictures_of_one_maker_leave_others_their_share(path: Path) -> None:
    store = DatabaseStore(path, BUDGET, SHARES)
    fill(store, 0, 200)  # less than half
    fill(store, 1, 700)
    counts = store.statistics()
    assert counts.makers[0].entries == 200 and counts.makers[0].evictions == 0
    assert counts.makers[1].evictions > 300
    assert 0.9 * ROOM < counts.makers[0].used_bytes + counts.makers[1].used_bytes <= ROOM
    fill(store, 2, 700)
    store.close()
    counts = store.statistics()
    assert counts.makers[0].entries == 200
    # Makers that both have more than their shares give up the same.
    over = [counts.makers[maker].used_bytes - counts.makers[maker].own_bytes for maker in (1, 2)]
    assert abs(over[0] - over[1]) < 100_000
    assert all_bytes(path) <= BUDGET


def test_a_maker_without_a_share_is_refused_and_so_is_a_blob_that_would_take_it_all(
    path: Path,
) -> None:
    store = DatabaseStore(path, BUDGET, SHARES)
    assert not store.put(b"a\x03", b"blob")
    assert not store.put(b"a\x01", bytes(ROOM // 15))
    assert store.put(b"a\x00", bytes(ROOM // 15))
    store.close()


def test_a_file_from_before_makers_were_counted_is_counted_when_it_is_opened(path: Path) -> None:
    store = DatabaseStore(path, BUDGET)
    for number in range(30):
        store.put(b"%d" % number + bytes([number % 3]), blob_of(number))
    store.close()
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("DROP TABLE makers")
    for kind, name in (("TRIGGER", "picture_came"), ("TRIGGER", "picture_went")):
        old.execute(f"DROP {kind} {name}")
    old.execute("DROP INDEX by_maker")
    old.close()
    again = DatabaseStore(path, BUDGET, SHARES)
    assert again.flush()
    assert [again.statistics().makers[maker].entries for maker in range(3)] == [10, 10, 10]
    assert again.statistics().entries == 30
    again.remove(b"0\x00")
    assert again.flush()
    assert again.statistics().makers[0].entries == 9
    again.close()


def test_keys_in_the_file_are_found_by_how_they_end(path: Path) -> None:
    store = DatabaseStore(path, BUDGET)
    for number in range(6):
        store.put(bytes([number, number % 2]), b"blob")
        assert store.flush()
    assert store.keys(2, b"\x01") == [b"\x05\x01", b"\x03\x01"]
    assert len(store.keys(9)) == 6
    store.close()
