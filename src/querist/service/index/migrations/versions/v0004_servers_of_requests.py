"""Which server is at a request, so that what a dead one began is taken up at once."""

from __future__ import annotations

from querist.service.index.sql import operations, sa

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add the column. Requests that an older version began are of no server that lives."""
    lib = sa()
    column = lib.Column("server", lib.String(32), nullable=False, server_default="")
    operations().add_column("requests", column)


def downgrade() -> None:
    """As it was."""
    operations().drop_column("requests", "server")
