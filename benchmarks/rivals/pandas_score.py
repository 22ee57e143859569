"""What `score` does to a file of flights, with pandas: `python pandas_score.py MODEL SOURCE DEST`.

The project's features as pandas has them, and all rows in one call of the model.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd

model = Path(sys.argv[1])
info = json.loads((model / "model.json").read_text(encoding="utf-8"))
numbers = ["dep_delay", "distance", "temp", "wind_speed", "precip", "visib", "pressure"]
wanted = ["flight_id", "sched_dep", *info["categories"], *numbers]
rows = pd.read_parquet(sys.argv[2], columns=wanted)
time = rows["sched_dep"].dt
rows["hour"] = time.hour + time.minute / 60 + time.second / 3600
rows["weekday"] = time.weekday
for name, levels in info["categories"].items():
    codes = pd.Categorical(rows[name], categories=levels).codes
    rows[name] = np.where(codes < 0, np.nan, codes)
features = rows[info["features"]].to_numpy(np.float32)
session = onnxruntime.InferenceSession(model / "model.onnx", providers=["CPUExecutionProvider"])
(output,) = session.run(None, {"features": features})
told = output[:, 1].astype(np.float64)
prediction = np.where(told >= info["threshold"], info["classes"][1], info["classes"][0])
scored = {"flight_id": rows["flight_id"], "prediction": prediction, "probability": told}
pd.DataFrame(scored).to_parquet(sys.argv[3], compression="zstd")
