"""The peer of bench/categories.py --http: FastAPI, with a pipeline of scikit-learn's that MODEL names.

    MODEL=m.joblib uvicorn service:app
"""

import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

pipeline = joblib.load(os.environ["MODEL"])
app = FastAPI()


class Product(BaseModel):
    title: str


class Request(BaseModel):
    products: list[Product]


@app.post("/v1/categorize")
async def categorize(request: Request):
    return {"categories": pipeline.predict([product.title for product in request.products]).tolist()}
