"""Which file systems lie on another machine."""

from __future__ import annotations

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = (
    *("9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4"),
    *("ocfs2", "orangefs", "panfs", "pvfs2", "smb3", "smbfs", "wekafs"),
)
_FUSE = ("fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.juicefs", "fuse.gluster")


def network_kind(path: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of network file system that something lies on ("nfs4"); "" if local or unknown.

    Args:
        path: A file or folder that exists.
        mounts: The kernel's list of mounts; where there is none, nothing is known.
    """
    try:
        device = path.stat().st_dev
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, after = line.partition(" - ")
        kind = after.split(" ", 1)[0]
        if before.split(" ")[2:3] == [number] and (kind in _NETWORK or kind.startswith(_FUSE)):
            return kind
    return ""
