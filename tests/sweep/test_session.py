"""A trial's job: it frees its processes for the next one before all of it is recorded, and loses nothing by that."""

from collections.abc import Mapping
from pathlib import Path

from dist_bp.config import JobConfig
from dist_bp.runtime.pool import Pool
from dist_bp.sweep.session import Epoch, Session
from dist_bp.track.drawing import Drawing, Drawn, Picture
from dist_bp.track.mlflow_store import opened_store
from dist_bp.train.publish import LOSS_FIGURE
from tests.conftest import JobMaker
from tests.database import rows


class SlowDrawing(Drawing):
    """Draws nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[tuple[Mapping[str, Picture], Drawn]] = []

    def begin(self, pictures: Mapping[str, Picture]) -> Drawn:
        self._asked.append((pictures, Drawn()))
        return self._asked[-1][1]

    def draw(self) -> None:
        for pictures, drawn in self._asked:
            drawn.images.set_result(dict.fromkeys(pictures, b"an image"))


def new_run(job: JobConfig) -> str:
    with opened_store(job.tracking.tracking_uri) as client:
        found = client.get_experiment_by_name("trials")
        experiment = found.experiment_id if found else client.create_experiment("trials", f"{Path.cwd()}/artifacts")
        return str(client.create_run(experiment).info.run_id)


def second_epoch(session: Session) -> Epoch:
    while True:
        answer = session.advance(60)
        if isinstance(answer, Epoch) and answer.number == 2:
            return answer
        assert answer is None or answer.number == 1  # it took a second until then


def status(run_id: str) -> str:
    ((found,),) = rows("select status from runs where run_uuid = ?", run_id)
    return str(found)


def test_the_next_trial_trains_while_the_last_one_is_recorded(make_job: JobMaker, database: Path) -> None:
    job, drawing, pool = make_job(), SlowDrawing(), Pool()
    one, two = new_run(job), new_run(job)
    first = Session(job, one, None, (2).__eq__, pool, drawing)
    told = second_epoch(first)
    first.stop()
    second = Session(job, two, None, (2).__eq__, pool, drawing)
    assert second_epoch(second).values == told.values
    assert status(one) == "RUNNING"  # its figures are not there
    second.stop()
    drawing.draw()
    for session, run_id in ((first, one), (second, two)):
        session.join()
        assert status(run_id) == "FINISHED"
        assert Path("artifacts", run_id, "artifacts", LOSS_FIGURE).read_bytes() == b"an image"
        assert rows("select count(*) from latest_metrics where run_uuid = ? and key like 'test_%'", run_id) != [(0,)]
