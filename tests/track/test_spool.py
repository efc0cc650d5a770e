import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.track.spool import Point, Spool


def points(*steps: int) -> list[Point]:
    return [Point("loss", 0.5 * step, 1_700_000_000_000 + step, step) for step in steps]


def test_is_first_in_first_out_and_removes_its_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "a.jsonl")
    assert not spool.path.exists()
    assert spool.append(points(1, 2, 3)) == 0
    assert spool.peek(2) == points(1, 2)
    spool.discard(2)
    spool.append(points(4))
    assert spool.peek(10) == points(3, 4)
    assert len(spool) == 2
    spool.discard(2)
    assert len(spool) == len(Spool(spool.path)) == 0
    spool.compact()
    assert not spool.path.exists()


def test_is_read_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Spool(path).append([*points(1), Point("äöü/λ", math.inf, 5, 2)])
    again = Spool(path)
    assert len(again) == 2
    assert list(again) == [*points(1), Point("äöü/λ", math.inf, 5, 2)]


def test_keeps_nan(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a.jsonl")
    spool.append([Point("loss", math.nan, 1, 1)])
    assert math.isnan(spool.peek(1)[0].value)


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Spool(path).append(points(1, 2, 3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    torn = Spool(path)
    assert list(torn) == points(1, 2)
    torn.append(points(4, 5))
    assert torn.peek(10) == points(1, 2, 4, 5)


@pytest.mark.parametrize("line", ["[" * 100_000, '["a", 1, 1e999, 1]', f'["a", {"9" * 400}, 1, 1]', '["a", 1]', "3"])
def test_a_damaged_line_costs_only_itself(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.jsonl"
    Spool(path).append(points(1, 2))
    path.write_text(path.read_text() + line + "\n")
    Spool(path).append(points(3))
    assert list(Spool(path)) == points(1, 2, 3)


def test_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    spool = Spool(path, max_bytes=200)
    refused = spool.append(points(*range(100)))
    assert 0 < len(spool) < 10
    assert refused == 100 - len(spool)
    assert path.stat().st_size <= 200
    assert list(spool) == points(*range(len(spool)))


def test_discarded_points_give_way_to_new_ones(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a.jsonl", max_bytes=1000)
    for step in range(500):
        assert spool.append(points(step)) == 0
        if len(spool) > 5:
            spool.discard(1)
        assert spool.path.stat().st_size <= 1000
    assert list(spool) == list(Spool(spool.path))[-5:] == points(*range(495, 500))


def test_prepends(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a.jsonl")
    spool.append(points(2, 3, 4))
    spool.discard(1)
    assert spool.prepend(points(1)) == 0
    assert list(spool) == points(1, 3, 4)
    assert list(tmp_path.iterdir()) == [spool.path]


def test_prepends_all_or_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a.jsonl", max_bytes=150)
    spool.append(points(4, 5))
    assert spool.prepend(points(1, 2, 3)) == 3
    assert spool.prepend(points(3)) == 0
    assert list(spool) == points(3, 4, 5)


def test_what_waits_is_made_durable_with_one_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    spool = Spool(tmp_path / "a.jsonl")
    spool.sync()
    assert synced == []
    spool.append(points(1))
    spool.sync()
    assert synced == [str(spool.path), str(tmp_path)]  # the name of a new file, too
    spool.discard(1)
    spool.append(points(2))
    spool.sync()
    assert synced[2:] == [str(spool.path)]


def test_refuses_what_the_disk_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file" / "a.jsonl")
    assert spool.append(points(1, 2)) == 2
    assert spool.prepend(points(1, 2)) == 2
    assert len(spool) == 0


def test_what_another_process_has_delivered_waits_no_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(points(1, 2, 3))
    Spool(spool.path).discard(3)
    assert spool.peek(5) == []
    assert len(spool) == 0
    spool.append(points(4))
    assert list(spool) == points(4)


def test_discarded_points_are_not_left_to_the_next_process(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "a.jsonl")
    spool.append(points(1, 2, 3))
    spool.discard(2)
    spool.compact()
    assert list(Spool(spool.path)) == list(spool) == points(3)
    spool.append(points(4))
    assert list(Spool(spool.path)) == points(3, 4)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 5)),
            st.tuples(st.just("prepend"), st.integers(0, 5)),
            st.tuples(st.just("discard"), st.integers(0, 5)),
            st.tuples(st.just("reopen"), st.just(0)),
        ),
        max_size=20,
    )
)
def test_behaves_like_a_list(tmp_path_factory, operations) -> None:  # type: ignore[no-untyped-def]
    spool = Spool(tmp_path_factory.mktemp("spool") / "a.jsonl")
    model: list[Point] = []
    step = 0
    for operation, count in operations:
        new = points(*range(step, step + count))
        if operation == "append":
            spool.append(new)
            model = [*model, *new]
        elif operation == "prepend":
            spool.prepend(new)
            model = [*new, *model]
        elif operation == "discard":
            spool.discard(min(count, len(model)))
            del model[:count]
        else:
            spool.compact()
            spool = Spool(spool.path)
        step += count
        assert list(spool) == model
        assert len(spool) == len(model)
