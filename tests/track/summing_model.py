"""A model from code, as `ModelPackage.python_model` wants it: the sum of a row times a stored factor."""

from pathlib import Path

import mlflow
import numpy as np
import pandas as pd


class SummingModel(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.factor = float(Path(context.artifacts["folder"], "factor.txt").read_text())

    def predict(self, context, model_input: pd.DataFrame, params=None) -> np.ndarray:
        return model_input.to_numpy().sum(axis=1) * self.factor


mlflow.models.set_model(SummingModel())
