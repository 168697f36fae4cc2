"""Scikit-learn's handwritten digits as a folder of PNG files: a pool whose labels we know."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def write_digits(folder: Path) -> dict[str, str]:
    """Write 1,797 images of 8 x 8 pixels; returns file name -> digit."""
    folder.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    truth = {}
    for number, (image, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        name = f"{number:04d}.png"
        Image.fromarray((image / 16 * 255).astype(np.uint8)).save(folder / name)
        truth[name] = str(digit)
    return truth


if __name__ == "__main__":
    print(f"{len(write_digits(Path(sys.argv[1])))} images in {sys.argv[1]}")
