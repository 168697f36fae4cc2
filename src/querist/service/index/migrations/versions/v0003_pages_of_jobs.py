"""Jobs of a tenant or a pool in the order of their ids, so that a page costs what it holds."""

from __future__ import annotations

from querist.service.index.sql import operations

revision = "0003"
down_revision: str | None = "0002"

_OF = ("tenant", "pool")


def upgrade() -> None:
    """Index them with the id; the old index of each is a part of the new one."""
    op = operations()
    for column in _OF:
        op.create_index(f"ix_jobs_{column}_id", "jobs", [column, "id"])
        op.drop_index(f"ix_jobs_{column}", "jobs")


def downgrade() -> None:
    """As they were."""
    op = operations()
    for column in _OF:
        op.create_index(f"ix_jobs_{column}", "jobs", [column])
        op.drop_index(f"ix_jobs_{column}_id", "jobs")
