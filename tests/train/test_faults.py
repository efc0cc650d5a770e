"""What is done about a fault, as a table."""

import pytest

from dist_bp.config.run import FailureConfig
from dist_bp.train.faults import Fault, Recovery, Remedy, Standing, Stop, decide, lowered
from dist_bp.train.recoveries import advice, history

NAN = "the loss is NaN or infinite"


def settings(**given: object) -> FailureConfig:
    return FailureConfig.model_validate(given)


def at(step: int, worker: int | None = 0) -> Fault:
    return Fault("non_finite", step, NAN, worker)


def skipped(*steps: int) -> list[Recovery]:
    return [Recovery(at(step), "skip", step, 0, 0.1) for step in steps]


def rolled_back(*steps: int) -> list[Recovery]:
    return [Recovery(at(step), "rollback", step - 3, 2, 0.1) for step in steps]


def restarted(*steps: int) -> list[Recovery]:
    return [Recovery(Fault("broken", step, DIED), "restart", step - 3, 2, 0.1) for step in steps]


DIED = "server 0 died: its process ended or was killed"
LOST, BROKEN = Fault("lost", 7, "its process ended or was killed", 1), Fault("broken", 7, DIED)
STOP, SKIP, ROLLBACK = settings(), settings(non_finite="skip"), settings(non_finite="rollback")
MANY = "more failures than failure.max_failures (3)"
NOWHERE = "no checkpoint to go back to"
AGAIN = "the same again, though with a lower learning rate"
DECISIONS: dict[str, tuple[Standing, Fault, Remedy | Stop]] = {
    "stop": (Standing(STOP, checkpoint=4), at(9), Stop()),
    "stop, whatever was recovered from before it was set": (Standing(STOP, skipped(1, 2, 3), 4), at(9), Stop()),
    "skip": (Standing(SKIP), at(9), "skip"),
    "skip, with a checkpoint": (Standing(SKIP, checkpoint=4), at(9), "skip"),
    "skip, the next one, too": (Standing(SKIP, skipped(7, 8)), at(9), "skip"),
    "skip, but not for ever": (Standing(SKIP, skipped(6, 7, 8)), at(9), Stop(MANY, saves=True)),
    "skip, none": (
        Standing(settings(non_finite="skip", max_failures=0)),
        at(9),
        Stop("more failures than failure.max_failures (0)", saves=True),
    ),
    "skip, where a rollback did not help": (Standing(SKIP, rolled_back(9), 4), at(9), "skip"),
    "rollback": (Standing(ROLLBACK, checkpoint=8), at(9), "rollback"),
    "rollback to the beginning": (Standing(ROLLBACK, checkpoint=0), at(9), "rollback"),
    "rollback, nowhere to go": (Standing(ROLLBACK), at(9), Stop(NOWHERE)),
    "rollback, later": (Standing(ROLLBACK, rolled_back(9), 8), at(10), "rollback"),
    "rollback, earlier": (Standing(ROLLBACK, rolled_back(9), 4), at(6), "rollback"),
    "rollback, the same again": (Standing(ROLLBACK, rolled_back(9), 8), at(9), Stop(AGAIN)),
    "rollback, the same again on another worker": (Standing(ROLLBACK, rolled_back(9), 8), at(9, 1), Stop(AGAIN)),
    "rollback, the same again after another": (Standing(ROLLBACK, rolled_back(9, 12), 8), at(9), Stop(AGAIN)),
    "rollback, but not for ever": (Standing(ROLLBACK, rolled_back(9, 10, 11), 8), at(12), Stop(MANY)),
    "a lost worker": (Standing(STOP), LOST, "replace"),
    "what the others cannot do without": (Standing(STOP), BROKEN, "restart"),
    "the same at the same step again": (Standing(STOP, restarted(7, 7)), BROKEN, "restart"),
    "lost, but not for ever": (Standing(STOP, restarted(5, 6, 7)), LOST, Stop(MANY, saves=True)),
    "a crash loop": (Standing(STOP, restarted(7, 7, 7)), BROKEN, Stop(MANY, saves=True)),
    "all count": (Standing(ROLLBACK, [*skipped(2), *rolled_back(9, 10)], 8), at(12), Stop(MANY)),
}


@pytest.mark.parametrize(("standing", "fault", "decision"), DECISIONS.values(), ids=DECISIONS)
def test_decisions(standing: Standing, fault: Fault, decision: Remedy | Stop) -> None:
    assert decide(standing, fault) == decision


def test_each_rollback_lowers_the_learning_rate() -> None:
    assert [lowered(recoveries) for recoveries in ([], skipped(1), rolled_back(9), rolled_back(9, 12))] == [
        1.0,
        1.0,
        0.5,
        0.25,
    ]


def test_a_recovery_says_where_what_happened_and_what_was_done() -> None:
    fault = Fault("non_finite", 9, NAN, 1, "0.weight")
    where = f"{NAN} at step 9 on worker 1, first in the gradient of 0.weight"
    assert str(Recovery(fault, "skip", 9, 0, 0.1)) == f"{where}: that update is skipped"
    told = str(Recovery(fault, "rollback", 5, 3, 0.1))
    assert told == f"{where}: back to step 5 with 0.5 times the learning rate, 3 steps to be made again"
    on = str(Recovery(Fault("broken", 9, DIED), "restart", 8, 0, 0.1))
    assert on == f"{DIED}, at step 9: processes formed anew go on from there"
    [again] = restarted(9)
    assert (
        str(again) == f"{DIED}, at step 9: back to step 6 with processes formed anew, at least 2 steps to be made again"
    )
    assert str(at(9, worker=None)) == f"{NAN} at step 9"


def test_a_history_is_short() -> None:
    one = f"step 9: {NAN} on worker 0, back to step 6"
    assert history(rolled_back(9)) == one
    assert history([*skipped(4), *rolled_back(9)]) == f"step 4: {NAN} on worker 0, skipped; {one}"
    assert history(skipped(*range(6))).startswith(f"1 other; step 1: {NAN}")
    many = history([*skipped(*range(100)), *rolled_back(9)])
    assert many.startswith(f"96 others; step 96: {NAN}")
    assert many.endswith(one)
    assert len(many) < 400


@pytest.mark.parametrize(
    ("what", "remedy"),
    [
        ("its process ended or was killed", "failure.max_failures"),
        ("did not answer for 60 s", "failure.hang_seconds"),
        ("server on node 1 did not answer for 60 s", "parameter_server.timeout_seconds"),
        ("worker 1 did not connect within 30 s", "ray.start_seconds"),
    ],
)
def test_the_remedy_of_losses_is_one_of_their_cause(what: str, remedy: str) -> None:
    advised = advice(Fault("broken", 4, what), Stop("more failures than failure.max_failures (3)"))
    assert remedy in advised
    assert ("short of memory" in advised) is what.endswith("killed")
