"""What data scientists put around a pickle: FastAPI, a schema of the row, model.predict. For bench/predict.py."""

import os
import pickle

from fastapi import FastAPI
from pydantic import create_model

with open(os.environ["BENCH_MODEL"], "rb") as f:
    model = pickle.load(f)
Row = create_model("Row", **{"x%d" % i: (float, ...) for i in range(model.n_features_in_)})
app = FastAPI()


@app.post("/predict")
async def predict(row: Row):
    return {"prediction": float(model.predict([list(row.model_dump().values())])[0])}
