"""What can go wrong with Label Studio."""

from __future__ import annotations

from querist.core.errors import QueristError


class LabelStudioError(QueristError):
    """Label Studio cannot be reached, refused something, or does not answer as it should."""
