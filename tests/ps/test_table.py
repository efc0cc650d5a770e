"""Tables whose gradients come by rows: the bits of dense gradients, whatever happens between two updates."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dist_bp.nn.layout import Table
from dist_bp.optim import Rule, Updater
from dist_bp.optim.rules.adagrad import Adagrad
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.rules.lion import Lion
from dist_bp.optim.rules.rmsprop import RmsProp
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.arena import Arena, Snapshot
from dist_bp.ps.contribution import Contribution
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.modes import Ssp
from dist_bp.ps.update import SliceUpdate
from dist_bp.types import Array
from tests.optim.references import PAIRS, Element

BEFORE, ROWS, WIDTH, AFTER, WORKERS = 5, 20, 3, 4, 3
TABLE = Table("table", BEFORE, ROWS, WIDTH)
SIZE = TABLE.stop + AFTER
CHUNK = 4 * WIDTH
"""So small that the table has five chunks."""
RATE = 0.125
EXACT: list[Rule] = [Sgd(learning_rate=1.0), Adagrad(learning_rate=1.0)]
DENSE: list[Rule] = [
    Sgd(learning_rate=1.0, momentum=0.9),
    Adam(learning_rate=1.0),
    RmsProp(learning_rate=1.0, momentum=0.5),
    Lion(learning_rate=1.0),
]
Event = tuple[Literal["update", "nan", "half", "write"], bool]
"""What happens, and whether a worker's gradient is of all rows."""
UPDATE: Event = ("update", False)
EVENTS = st.tuples(st.sampled_from(["update"] * 3 + ["nan", "half", "write"]), st.integers(0, 3).map(lambda n: n == 0))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("layout", "update"):
        monkeypatch.setattr(f"dist_bp.ps.{module}.CHUNK", CHUNK)


class Servers:
    """The servers of an arena without workers: gradients are put into its slots by hand."""

    def __init__(self, updater: Updater, by_rows: bool, servers: int = 1, staleness: int = 0) -> None:
        self.arena = Arena.create(
            ArenaLayout(
                SIZE,
                0,
                updater.rule.slots,
                (WORKERS,),
                servers,
                "float32",
                Ssp(staleness),
                tables=(TABLE,) if by_rows else (),
            )
        )
        self.updates = [SliceUpdate(self.arena, (i, servers), updater, np.zeros(0)) for i in range(servers)]
        self.version = self.number = 0
        for slots in self.arena.gradients:
            slots[0].fill(np.nan)
        self.write(np.linspace(-1, 1, SIZE, dtype="float32"))

    def write(self, parameters: Array) -> None:
        state = {name: np.zeros(SIZE, "float32") for name in self.arena.layout.optimizer}
        self.arena.write(self.version, Snapshot(0, parameters, np.zeros(0), state))

    def put(self, worker: int, others: Array, ids: Array | None, rows: Array) -> None:
        """Gradients outside of the table, and of rows `ids` of it, None: of all."""
        slot = self.arena.gradients[worker][0]
        slot[:BEFORE], slot[TABLE.stop :] = others[:BEFORE], others[BEFORE:]
        table = slot[BEFORE : TABLE.stop].reshape(ROWS, WIDTH)
        if not self.arena.layout.by_rows:
            table.fill(0)
        elif ids is None:
            self.arena.touched[worker][0][0].set_all()
        else:
            self.arena.touched[worker][0][0].set(ids)
        table[slice(None) if ids is None else ids] = rows

    def update(self, workers: tuple[int, ...], commit: bool = True, servers: int | None = None) -> float:
        """The update of all servers, or of the first ones; returns its sum of squares."""
        squares = 0.0
        for one in self.updates[:servers]:
            squares += one.apply(
                self.version + 1,
                self.number + 1,
                RATE,
                Contribution(self.arena.layout.summation(workers), 0, scale=0.5),
                lambda: math.sqrt(math.fsum(self.arena.squares.tolist())),
            )
        if commit:
            self.version += 1
            self.number += 1
        return squares

    @property
    def now(self) -> dict[str, Array]:
        parameters, _, state, _ = self.arena.read(self.version)
        return {"parameters": parameters, **state}


def draw(random: np.random.Generator) -> tuple[Array, Array, Array]:
    """Gradients of the other parameters, touched rows, and their gradients."""
    ids = np.flatnonzero(random.random(ROWS) < random.choice([0.0, 0.2, 0.9]))
    return random.normal(size=BEFORE + AFTER), ids, random.normal(size=(len(ids), WIDTH))


@settings(max_examples=40, deadline=None)
@given(
    events=st.lists(EVENTS, max_size=9),
    rule=st.sampled_from([*EXACT, *DENSE]),
    servers=st.integers(1, 3),
    staleness=st.integers(0, 2),
    seed=st.integers(0, 2**32),
)
@example([UPDATE, UPDATE, ("nan", True)], EXACT[0], 1, 0, 14)
@example([UPDATE, UPDATE, ("half", False)], EXACT[1], 2, 0, 14)
@example([UPDATE, ("write", False)], EXACT[1], 1, 0, 7)
def test_rows_give_the_bits_of_dense_gradients(
    events: list[Event], rule: Rule, servers: int, staleness: int, seed: int
) -> None:
    """Also after updates that were not finite, that only the first server has made, and versions that were written."""
    updater = Updater(rule, clip_value=1.5)
    dense, sparse = Servers(updater, False, 1, staleness), Servers(updater, True, servers, staleness)
    random = np.random.default_rng(seed)
    for event, whole in [*events, UPDATE, UPDATE, UPDATE]:
        if event == "write":
            parameters = random.normal(size=SIZE).astype("float32")
            dense.write(parameters)
            sparse.write(parameters)
            continue
        for worker in range(WORKERS):
            others, ids, rows = draw(random)
            told: Array | None = ids
            if whole and worker == 1:
                told, rows = None, random.normal(size=(ROWS, WIDTH))
            if event == "nan" and len(rows):
                rows[0] = np.nan
            dense.put(worker, others, told, rows)
            sparse.put(worker, others, told, rows)
        workers = tuple(np.flatnonzero(random.random(WORKERS) < 0.7).tolist()) or (1,)
        commits = event == "update"
        squares = sparse.update(workers, commits, 1 if event == "half" else None)
        expected = dense.update(workers, commits)
        if commits:
            assert squares == pytest.approx(expected, rel=1e-5)
        for name, values in dense.now.items():
            assert sparse.now[name].tobytes() == values.tobytes()


@pytest.mark.parametrize("staleness", [0, 2])
@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize(("rule", "reference"), PAIRS)
def test_lazy_rules_follow_the_textbook_where_rows_are_touched(
    rule: Rule, reference: Any, clip_norm: float | None, staleness: int
) -> None:
    """Element by element; all other rows keep parameters and state."""
    if not rule.leaves_rows:
        rule = replace(rule, lazy=True)  # type: ignore[call-arg]
    servers = Servers(Updater(rule, clip_norm=clip_norm), True, 1, staleness)
    elements = [Element(float(p)) for p in servers.now["parameters"]]
    random = np.random.default_rng(3)
    for step in range(1, 13):
        total, touched = np.zeros(SIZE), np.ones(SIZE, bool)
        touched[BEFORE : TABLE.stop] = False
        for worker in range(WORKERS):
            others, ids, rows = draw(random)
            servers.put(worker, others, ids, rows)
            total[:BEFORE] += others[:BEFORE]
            total[TABLE.stop :] += others[BEFORE:]
            for row, values in zip(ids, rows, strict=True):
                place = slice(BEFORE + row * WIDTH, BEFORE + (row + 1) * WIDTH)
                total[place] += values
                touched[place] = True
        squares = servers.update((0, 1, 2))
        mean = 0.5 * total
        assert squares == pytest.approx((mean**2).sum(), rel=1e-5)
        if clip_norm:
            mean *= min(1.0, clip_norm / math.sqrt((mean**2).sum()))
        for element, value, at in zip(elements, mean, touched, strict=True):
            if at:
                reference(element, float(value), step, RATE)
    np.testing.assert_allclose(servers.now["parameters"], [e.p for e in elements], rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("rule", [EXACT[1], replace(DENSE[1], lazy=True)])  # type: ignore[call-arg]
def test_the_norm_to_clip_by_does_not_depend_on_the_number_of_servers(rule: Rule) -> None:
    """Each server has its own part; the squares are by chunks."""
    random = np.random.default_rng(1)
    several = [Servers(Updater(rule, clip_norm=1e9), True, servers) for servers in (1, 2, 4)]
    for _ in range(12):
        for worker in range(WORKERS):
            drawn = draw(random)
            for one in several:
                one.put(worker, *drawn)
        for one in several:
            one.update((0, 1, 2))
        assert len({one.arena.squares.tobytes() for one in several}) == 1
        assert len({one.now["parameters"].tobytes() for one in several}) == 1


@pytest.mark.parametrize(
    ("ids", "workers", "few"),
    [((3, 17), (0,), True), ((3, 7, 8, 17), (0, 1, 2), True), (range(0, 12, 2), (0,), False)],
    ids=str,
)
def test_a_rule_that_leaves_rows_reads_and_writes_no_others(
    ids: Sequence[int], workers: tuple[int, ...], few: bool
) -> None:
    """What no sample touches may hold anything, once both versions have it: unless many rows are touched, each counted
    once, and it is faster to update all."""
    servers = Servers(Updater(Adagrad(learning_rate=1.0)), True)
    touched = np.array(ids)
    for _ in range(2):
        for worker in workers:
            servers.put(worker, np.ones(BEFORE + AFTER), touched, np.ones((len(ids), WIDTH)))
        servers.update(workers)
    for number, version in enumerate(servers.arena.parameters):
        version[BEFORE : TABLE.stop].reshape(ROWS, WIDTH)[np.delete(np.arange(ROWS), touched)] = number
    kept = [version.copy() for version in servers.arena.parameters]
    servers.update(workers)
    changed = kept[servers.version % 2] != servers.arena.parameters[servers.version % 2]
    rows = changed[BEFORE : TABLE.stop].reshape(ROWS, WIDTH).any(axis=1)
    assert np.flatnonzero(rows).tolist() == (list(ids) if few else list(range(ROWS)))
