"""What models around another model share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.core.errors import ConfigError
from querist.core.roles import Model, WorkerContext
from querist.core.tasks import Factory


class Around:
    """A model that has another, its attribute ``model``: given, or made of its import path."""

    model: Any
    options: Mapping[str, Any]

    def _make(self, who: str) -> None:
        """Make the model where a path was given.

        Raises:
            ConfigError: If it is no model.
        """
        if isinstance(self.model, str | Factory):
            self.model = Factory.of(self.model, **self.options).create()
        if not isinstance(self.model, Model):
            raise ConfigError(
                f"{who} wants a model with fit, load and predict, got {self.model!r}."
            )

    def open(self, context: WorkerContext) -> None:
        """Pass the worker's context on."""
        if hasattr(self.model, "open"):
            self.model.open(context)

    def close(self) -> None:
        """Pass it on."""
        if hasattr(self.model, "close"):
            self.model.close()
