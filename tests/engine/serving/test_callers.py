"""Who may ask and how often: tokens by their hash, obeyed as their file changes, and buckets."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine import tokens
from engine.errors import (
    CorruptError,
    InvalidError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from engine.serving.callers import MAX_CLIENTS, Buckets, Callers

SINCE = "2013-07-01T00:00:00Z"
HERE, ANYWHERE = "127.0.0.1:8080", "0.0.0.0:8080"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "tokens.json"


def test_a_client_may_ask_a_seconds_worth_at_once_and_then_as_often_as_it_is_refilled() -> None:
    buckets = Buckets(4.0)
    assert [buckets.take("a", 10.0) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert buckets.take("b", 10.0) == 0
    assert buckets.take("a", 10.2) == 1
    assert buckets.take("a", 10.26) == 0
    assert [buckets.take("a", 99.0) for _ in range(5)] == [0, 0, 0, 0, 1]


def test_a_slow_rate_says_how_long_to_wait() -> None:
    buckets = Buckets(0.1)
    assert [buckets.take("a", 0.0), buckets.take("a", 0.0), buckets.take("a", 5.0)] == [0, 10, 5]
    assert buckets.take("a", 10.0) == 0


def test_the_buckets_are_bounded_and_the_longest_unused_goes() -> None:
    buckets = Buckets(1.0)
    for number in range(MAX_CLIENTS + 1):
        assert buckets.take(f"c{number}", 0.0) == 0
    assert buckets.take("c0", 0.0) == 0
    assert buckets.take("c2", 0.0) == 1


def test_a_token_is_known_by_its_hash_alone(path: Path) -> None:
    callers = Callers(path, None, HERE)
    assert callers.open
    tokens.add(path, "tower", "cdml_secret", SINCE)
    assert b"cdml_secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o640
    callers.refresh()
    assert not callers.open
    assert callers.name(b"Bearer cdml_secret") == "tower"
    assert callers.name(b"bearer  cdml_secret ") == "tower"
    for other in (b"", b"Bearer ", b"Bearer cdml_secre", b"Basic cdml_secret", b"Bearer \xff"):
        assert callers.name(other) is None


def test_a_revoked_token_is_none_and_the_others_stay(path: Path) -> None:
    tokens.add(path, "a", "1", SINCE)
    tokens.add(path, "b", "2", SINCE)
    callers = Callers(path, None, HERE)
    assert tokens.remove(path, "a") == 1
    callers.refresh()
    assert (callers.name(b"Bearer 1"), callers.name(b"Bearer 2")) == (None, "b")
    with pytest.raises(UnknownError, match="Known: b"):
        tokens.remove(path, "a")
    with pytest.raises(InvalidError, match="revoke"):
        tokens.add(path, "b", "3", SINCE)
    with pytest.raises(InvalidError, match="letters"):
        tokens.add(path, "../x", "3", SINCE)


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"{", b"{}", b"\xff", b"[]", b'{"token":[]}', b'{"tokens":[{"name":1}]}'),
        b'{"tokens":[{"name":"a","sha256":"1","since":""}]}',
    ],
)
def test_a_damaged_file_lets_nobody_in_until_it_is_mended(path: Path, damage: bytes) -> None:
    tokens.add(path, "a", "1", SINCE)
    callers = Callers(path, None, HERE)
    good = path.read_bytes()
    path.write_bytes(damage)
    callers.refresh()
    assert not callers.open
    with pytest.raises(UnavailableError, match="nobody is let in"):
        callers.name(b"Bearer 1")
    with pytest.raises(CorruptError, match="Nobody is let in"):
        tokens.read(path)
    path.unlink()
    path.write_bytes(good)
    callers.refresh()
    assert callers.name(b"Bearer 1") == "a"


def test_what_cannot_be_looked_at_lets_nobody_in_and_is_looked_at_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens.add(path, "a", "1", SINCE)
    callers = Callers(path, None, HERE)
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.write_bytes(b"")
    for _ in range(3):
        callers.refresh()
    assert not callers.open
    assert len(caplog.records) == 1
    path.parent.unlink()
    path.parent.with_name("elsewhere").rename(path.parent)
    callers.refresh()
    assert callers.name(b"Bearer 1") == "a"


def test_a_port_that_others_reach_is_never_open(path: Path) -> None:
    tokens.add(path, "a", "1", SINCE)
    callers = Callers(path, None, ANYWHERE)
    assert callers.name(b"Bearer 1") == "a"
    path.unlink()
    callers.refresh()
    assert not callers.open
    with pytest.raises(UnavailableError):
        callers.name(b"")
    tokens.add(path, "b", "2", SINCE)
    callers.refresh()
    assert callers.name(b"Bearer 2") == "b"


def test_changes_at_the_same_time_all_count(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(tokens.add, path, f"t{n}", str(n), SINCE) for n in range(24)]:
            done.result()
        for done in [pool.submit(tokens.remove, path, f"t{n}") for n in range(23)]:
            done.result()
    assert [token.name for token in tokens.read(path)] == ["t23"]


def test_beyond_this_machine_only_with_tokens(path: Path) -> None:
    for listen in ("127.0.0.1:8080", "localhost:1", "[::1]:8080"):
        tokens.check_reach(path, listen)
    for listen in ("0.0.0.0:8080", "[::]:8080", "10.0.0.7:80"):
        with pytest.raises(RefusedError, match="cdml token new"):
            tokens.check_reach(path, listen)
    tokens.add(path, "a", "1", SINCE)
    tokens.check_reach(path, "0.0.0.0:8080")
