"""Which file systems lie on another machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from querist.store.file_systems import network_kind


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("nfs4", "nfs4"),
        ("lustre", "lustre"),
        ("fuse.sshfs", "fuse.sshfs"),
        ("fuse.glusterfs", "fuse.glusterfs"),
        ("ext4", ""),
        ("fuse.ntfs-3g", ""),
    ],
)
def test_the_mount_of_a_path_tells_its_kind(tmp_path: Path, kind: str, found: str) -> None:
    device = tmp_path.stat().st_dev
    here = f"{os.major(device)}:{os.minor(device)}"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"21 1 0:4242 / / rw - nfs server:/ rw\n"
        f"36 21 {here} / /a\\040b rw,noatime shared:1 master:2 - {kind} server:/a rw\n"
    )
    assert network_kind(tmp_path, mounts) == found
    assert network_kind(tmp_path / "gone", mounts) == ""
    assert network_kind(tmp_path, tmp_path / "gone") == ""
