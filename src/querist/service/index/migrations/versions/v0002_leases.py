"""Leases of items: until then they were in one server's memory."""

from __future__ import annotations

from querist.service.index.sql import operations, sa

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make the table. An item stands in it by a digest of its id, which may be long."""
    lib = sa()
    operations().create_table(
        "leases",
        lib.Column("pool", lib.String(32), nullable=False),
        lib.Column("item", lib.String(64), nullable=False),
        lib.Column("holder", lib.String(200), nullable=False),
        lib.Column("until", lib.Double(), nullable=False),
        lib.PrimaryKeyConstraint("pool", "item"),
    )


def downgrade() -> None:
    """Remove it."""
    operations().drop_table("leases")
