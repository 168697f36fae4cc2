"""The command line: ``querist run campaign.yaml`` and what belongs to it. One module a noun."""

from __future__ import annotations

from querist.cli.entry import main as main
