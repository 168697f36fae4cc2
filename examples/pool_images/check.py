"""From a folder of images to labels: the 20 items picked teach more than 20 drawn at random."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from problem import write_digits
from sklearn.neighbors import KNeighborsClassifier

from querist import Pool
from querist.models.features.image import image_features
from querist.pool.running import run_file

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run the case in the working folder."""
    truth = write_digits(Path("digits"))
    shutil.rmtree("digits-pool", ignore_errors=True)
    shutil.copy(HERE / "pool.yaml", "pool.yaml")
    result = run_file("pool.yaml")
    print(result)
    print(f"{result.seconds['wall']:.1f} s; drawn in {result.contact_sheet('picks.png')}")

    names = [Path(uri).name for uri in result.uris]
    with Pool.open("digits-pool") as pool:
        pool.label(dict(zip(result.ids, map(truth.get, names), strict=True)), by="truth")
        counts = pool.counts()
    found = {truth[name] for name in names}
    picked, random = accuracy(truth, names), np.mean([drawn(truth, seed) for seed in range(20)])
    print(f"labelled: {counts['labelled']}; digits among them: {len(found)} of 10")
    print("nearest neighbour with 20 labels, right of all other images:")
    print(f"  picked {picked:.1%}, drawn at random {random:.1%}")
    assert len(names) == counts["labelled"] == 20
    assert len(found) >= 9
    assert picked > random + 0.08
    print("ok")


def drawn(truth: dict[str, str], seed: int) -> float:
    """The same for 20 images drawn at random."""
    names = np.random.default_rng(seed).choice(sorted(truth), 20, replace=False)
    return accuracy(truth, names.tolist())


def accuracy(truth: dict[str, str], labelled: list[str]) -> float:
    """Of the nearest labelled image, over all others; the same features for both."""
    rest = sorted(set(truth) - set(labelled))
    learner = KNeighborsClassifier(1).fit(features(labelled), [truth[name] for name in labelled])
    return float(learner.score(features(rest), [truth[name] for name in rest]))


_KNOWN: dict[str, np.ndarray] = {}


def features(names: list[str]) -> np.ndarray:
    """Built-in features of images at 32 pixels."""
    for name in names:
        if name not in _KNOWN:
            image = Image.open(Path("digits") / name).convert("RGB").resize((32, 32))
            _KNOWN[name] = image_features(np.asarray(image)[None])[0]
    return np.stack([_KNOWN[name] for name in names])


if __name__ == "__main__":
    main()
