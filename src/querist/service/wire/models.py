"""Models: settings that open one, and files that were uploaded for it."""

from __future__ import annotations

from typing import Literal

from querist.service.wire.base import Ask, Count, Instant, Name, Options, Settings, Told

UploadKind = Literal["safetensors", "onnx", "skops"]


class Upload(Told):
    """A file for a model; named in its settings as "upload:" and this id.

    Attributes:
        size: Bytes.
        sha256: Of the content, in hexadecimal digits.
    """

    id: str
    kind: UploadKind
    size: Count
    sha256: str
    created: Instant


class ModelCreate(Ask):
    """A model by settings: ``{"use": "onnx", "file": "upload:upl_...", "backend": "openvino"}``.

    What ``use`` may be, and which import paths, repositories and servers, is the administrator's
    decision in service.yaml.
    """

    name: Name
    settings: Settings


class Model(Told):
    """A registered model."""

    id: str
    name: str
    settings: Options
    created: Instant
