import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from dist_bp.track.journal import Journal, Point


def points(*steps: int) -> list[Point]:
    return [Point("loss", 0.5 * step, 1_700_000_000_000 + step, step) for step in steps]


def test_is_first_in_first_out_and_removes_its_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "a.jsonl")
    assert not journal.path.exists()
    assert journal.append(points(1, 2, 3)) == 0
    assert journal.peek(2) == points(1, 2)
    journal.discard(2)
    journal.append(points(4))
    assert journal.peek(10) == points(3, 4)
    assert len(journal) == 2
    journal.discard(2)
    assert len(journal) == 0
    assert not journal.path.exists()


def test_is_read_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Journal(path).append([*points(1), Point("äöü/λ", math.inf, 5, 2)])
    again = Journal(path)
    assert len(again) == 2
    assert list(again) == [*points(1), Point("äöü/λ", math.inf, 5, 2)]


def test_keeps_nan(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append([Point("loss", math.nan, 1, 1)])
    assert math.isnan(journal.peek(1)[0].value)


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Journal(path).append(points(1, 2, 3))
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    torn = Journal(path)
    assert list(torn) == points(1, 2)
    torn.append(points(4, 5))
    assert torn.peek(10) == points(1, 2, 4, 5)


def test_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    journal = Journal(path, max_bytes=200)
    refused = journal.append(points(*range(100)))
    assert 0 < len(journal) < 10
    assert refused == 100 - len(journal)
    assert path.stat().st_size <= 200
    assert list(journal) == points(*range(len(journal)))


def test_prepends(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append(points(2, 3, 4))
    journal.discard(1)
    assert journal.prepend(points(1)) == 0
    assert list(journal) == points(1, 3, 4)
    assert list(tmp_path.iterdir()) == [journal.path]


def test_refuses_what_the_disk_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal(tmp_path / "file" / "a.jsonl")
    assert journal.append(points(1, 2)) == 2
    assert journal.prepend(points(1, 2)) == 2
    assert len(journal) == 0


def test_discarded_points_are_not_left_to_the_next_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append(points(1, 2, 3))
    journal.discard(2)
    journal.compact()
    assert list(Journal(journal.path)) == list(journal) == points(3)
    journal.append(points(4))
    assert list(Journal(journal.path)) == points(3, 4)


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
    journal = Journal(tmp_path_factory.mktemp("journal") / "a.jsonl")
    model: list[Point] = []
    step = 0
    for operation, count in operations:
        new = points(*range(step, step + count))
        if operation == "append":
            journal.append(new)
            model = [*model, *new]
        elif operation == "prepend":
            journal.prepend(new)
            model = [*new, *model]
        elif operation == "discard":
            journal.discard(min(count, len(model)))
            del model[:count]
        else:
            journal.compact()
            journal = Journal(journal.path)
        step += count
        assert list(journal) == model
        assert len(journal) == len(model)
