"""Features of an image without a network: directions of edges by place, and mean colours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.models.features.rows import Rows, unit

CELLS, BINS, THUMBNAIL = 4, 9, 4
SIZE = CELLS * CELLS * BINS + THUMBNAIL * THUMBNAIL * 3


def image_features(images: NDArray[np.uint8]) -> Rows:
    """Describe images by numbers in which distance means difference to the eye.

    Two parts of equal weight: a histogram of oriented gradients (Dalal & Triggs 2005: unsigned
    directions in 9 bins over 4 x 4 cells, square-rooted and normalised over the image, so that
    brightness and contrast do not count) and a thumbnail of 4 x 4 pixels in colour.

    Args:
        images: (n, h, w, 3), uint8, sides of at least 4 pixels.

    Returns:
        (n, 192), each row of unit length.

    Raises:
        ShapeError: If the images are others.
    """
    if images.ndim != 4 or images.shape[3] != 3 or min(images.shape[1:3]) < CELLS:
        raise ShapeError(
            f"images should be (n, h, w, 3) with sides of at least {CELLS} pixels, "
            f"got {images.shape}."
        )
    scaled: Rows = images.astype(np.float32) / np.float32(255)
    edges = _directions(scaled @ np.array([0.299, 0.587, 0.114], np.float32))
    thumbnail = _thumbnail(scaled) - np.float32(0.5)
    return unit(np.hstack([unit(np.sqrt(edges)), unit(thumbnail)]))


def _directions(grey: Rows) -> Rows:
    """Histograms of gradients by cell, (n, CELLS * CELLS * BINS); an edge votes for two bins."""
    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    down[:, 1:-1, :] = grey[:, 2:, :] - grey[:, :-2, :]
    strength = np.hypot(across, down)
    place = np.arctan2(down, across) * np.float32(BINS / np.pi) + BINS
    lower = place.astype(np.int64)
    share = place - lower
    cell = _cell(grey.shape[1])[:, None] * CELLS + _cell(grey.shape[2])
    start = (np.arange(len(grey))[:, None, None] * (CELLS * CELLS) + cell) * BINS
    votes = np.bincount(
        np.concatenate([(start + lower % BINS).ravel(), (start + (lower + 1) % BINS).ravel()]),
        np.concatenate([(strength * (1 - share)).ravel(), (strength * share).ravel()]),
        len(grey) * CELLS * CELLS * BINS,
    )
    return votes.astype(np.float32).reshape(len(grey), -1)


def _cell(pixels: int) -> NDArray[np.int64]:
    return np.arange(pixels) * CELLS // pixels


def _thumbnail(images: Rows) -> Rows:
    """Mean colours of a grid of cells, (n, THUMBNAIL * THUMBNAIL * 3)."""
    rows, columns = (np.arange(THUMBNAIL) * side // THUMBNAIL for side in images.shape[1:3])
    summed = np.add.reduceat(np.add.reduceat(images, rows, axis=1), columns, axis=2)
    high = np.diff(np.append(rows, images.shape[1]))[:, None, None]
    wide = np.diff(np.append(columns, images.shape[2]))[None, :, None]
    means: Rows = np.asarray(summed / (high * wide), np.float32)
    return means.reshape(len(images), -1)
