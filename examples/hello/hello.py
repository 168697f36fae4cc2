"""A first campaign: learn a function from as few evaluations as possible."""

import math
import time

from querist import Campaign


def simulate(x):
    """The expensive thing (here: a damped wave, and a pause that stands for an hour)."""
    time.sleep(0.05)
    return math.sin(5 * x[0]) * math.exp(-x[1])


campaign = Campaign(
    generator={"use": "uniform", "options": {"low": [0, 0], "high": [2, 2]}},
    model="random_features",
    oracle=simulate,
    output="y",
    gate={"quantile": 0.8},  # ask about the most uncertain fifth of what is explored
    holdout=0.2,  # labels drawn at random, never trained on
    budget={"labels": 100},
)
result = campaign.run("runs/hello")
print(result.status, "-", result.reason)
for labels, error in result.learning_curve("y.mae"):
    print(f"{labels:4d} labels: error on the hold-out {error:.4f}")
print("report:", result.report())
