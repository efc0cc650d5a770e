"""The view of an experiment that its link opens: the metrics that matter as columns, the best run first.

MLflow keeps shared views as tags of the experiment; a link names one by its key.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

KEY = "dist_bp"
TAG = f"mlflow.sharedViewState.{KEY}"


@dataclass(frozen=True)
class RunsView:
    """Columns of the table of runs, and the metric that orders it; all by the tracker's names."""

    metrics: Sequence[str]
    params: Sequence[str]
    order: str
    ascending: bool

    def tag(self) -> str:
        """The tag's value, as MLflow's pages read it: a name and the state of the page."""
        columns = [f"metrics.`{name}`" for name in self.metrics] + [f"params.`{name}`" for name in self.params]
        state = {"orderByKey": f"metrics.`{self.order}`", "orderByAsc": self.ascending, "selectedColumns": columns}
        now = round(time.time() * 1000)
        return json.dumps({"name": "best first", "createdAt": now, "updatedAt": now, "state": json.dumps(state)})


def runs_url(server: str, experiment_id: str, viewed: bool) -> str:
    """The page of an experiment's runs on the server at this address, with this view if the experiment has it.

    Without `workflowType` MLflow opens its view for GenAI instead of the one for model training.
    """
    query = "workflowType=machine_learning" + f"&viewStateShareKey={KEY}" * viewed
    return f"{server}/#/experiments/{experiment_id}/runs?{query}"
