"""A package with kernels written to PAL's documented interface, small and deterministic."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

GENERATOR = """
    import pathlib
    import numpy as np


    class UserGene(object):
        LIMIT = None

        def __init__(self, rank, result_dir):
            self.rank, self.result_dir = rank, pathlib.Path(result_dir)
            self.rng = np.random.default_rng(rank)
            self.told = []
            self.saved = 0

        def generate_new_data(self, data_to_gene):
            if self.told and data_to_gene is None:
                raise AssertionError("None is for the first step only")
            self.told.append(data_to_gene)
            stop = self.LIMIT is not None and len(self.told) > self.LIMIT
            return stop, self.rng.uniform(-1, 1, SIZE(self.rank))

        def save_progress(self, stop_run):
            self.saved += 1
            self.note("saved")

        def stop_run(self):
            self.note("stopped")

        def note(self, word):
            shapes = sorted({tuple(t.shape) for t in self.told if t is not None})
            text = f"{len(self.told)} {self.told[0] is None} {shapes}"
            (self.result_dir / f"generator_{self.rank}.{word}").write_text(text)


    def SIZE(rank):
        return 2
"""

MODEL = """
    import pathlib
    import time
    import numpy as np


    class UserModel(object):
        '''y = w . (x1, x2, 1), fitted by least squares to all labels.'''

        def __init__(self, rank, result_dir, i_device, mode):
            self.rank, self.mode = rank, mode
            self.result_dir = pathlib.Path(result_dir)
            self.w = np.random.default_rng(rank).normal(size=3)
            self.x, self.y = [], []
            self.device = i_device
            (self.result_dir / f"model_{mode}_{rank}").write_text(str(i_device))

        def predict(self, list_data_to_pred):
            assert self.mode == "predict"
            return [np.array([np.append(x, 1) @ self.w]) for x in list_data_to_pred]

        def update(self, weight_array):
            assert self.mode == "predict"
            self.w = weight_array

        def get_weight_size(self):
            return 3

        def get_weight(self):
            assert self.mode == "train"
            return self.w

        def add_trainingset(self, datapoints):
            self.x += [np.append(x, 1) for x, _ in datapoints]
            self.y += [y[0] for _, y in datapoints]

        def retrain(self, req_data):
            self.w = np.linalg.lstsq(np.array(self.x), np.array(self.y), rcond=None)[0]
            while WAIT and not req_data.Test():
                time.sleep(0.01)
            return STOP_AT is not None and len(self.y) >= STOP_AT

        def save_progress(self, stop_run):
            (self.result_dir / f"history_{self.rank}").write_text(str(len(self.y)))

        def stop_run(self):
            (self.result_dir / f"model_{self.mode}_{self.rank}.stopped").touch()


    WAIT = False
    STOP_AT = None
"""

ORACLE = """
    import numpy as np


    class UserOracle(object):
        def __init__(self, rank, result_dir):
            self.rank, self.result_dir = rank, result_dir

        def run_calc(self, input_for_orcl):
            return np.array([2 * input_for_orcl[0] - 3 * input_for_orcl[1] + 0.5])

        def stop_run(self):
            pass
"""

UTILS = """
    import numpy as np


    def prediction_check(list_data_to_pred, list_data_to_gene):
        shapes = {array.shape for array in list_data_to_gene}
        assert shapes == {(2, 1)}, shapes
        # a decision that no threshold on the spread would make: the right half of the square
        wanted = [x for x in list_data_to_pred if x[0] > 0]
        return wanted, [np.append(d.mean(axis=0), 7.0) for d in list_data_to_gene]


    def adjust_input_for_oracle(to_orcl_buffer, pred_list):
        return sorted(to_orcl_buffer, key=lambda x: x[1])
"""


class Package:
    """A PAL package in a folder, and its settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "package"
        self.folder.mkdir()
        self.results = folder / "results"
        self.settings = {
            "result_dir": str(self.results),
            "orcl_buffer_path": None,
            "ml_buffer_path": None,
            "pred_process": 2,
            "orcl_process": 2,
            "gene_process": 3,
            "ml_process": 2,
            "designate_task_number": False,
            "task_per_node": {},
            "fixed_size_data": True,
            "orcl_time": 10,
            "progress_save_interval": 0,
            "retrain_size": 6,
            "dynamic_orcale_list": True,
            "gpu_pred": [0, 1],
            "gpu_ml": [],
        }
        for name, text in (
            ("generator", GENERATOR),
            ("model", MODEL),
            ("oracle", ORACLE),
            ("utils", UTILS),
        ):
            (self.folder / f"{name}.py").write_text(textwrap.dedent(text))

    def change(self, kernel: str, old: str, new: str) -> None:
        """Another user's kernel."""
        path = self.folder / f"{kernel}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def package(tmp_path) -> Package:
    """A PAL package of this test's own."""
    return Package(tmp_path)
