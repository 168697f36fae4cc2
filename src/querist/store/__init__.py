"""The durable record of one run: journal, snapshots, weights, outbox, inbox, index."""

from querist.store.arrays import ArrayFile, load_arrays, save_arrays
from querist.store.codec import Record
from querist.store.errors import (
    DamagedFile,
    FlushTimeout,
    IncompatibleFormat,
    JournalCorrupt,
    JournalRewound,
    LockLost,
    NotARun,
    NotStorable,
    NotStored,
    RunExists,
    RunLocked,
    StoreClosed,
    StoreError,
    StoreFailed,
    StoreFull,
    TooLarge,
    WrongRun,
)
from querist.store.files import atomic_write, safe_name, sweep_temporaries
from querist.store.inbox import Inbox, Message
from querist.store.journal import JournalWriter
from querist.store.lock import Holder, WriterLock, read_holder
from querist.store.manifest import Manifest
from querist.store.outbox import Outbox, Parcel
from querist.store.reader import JournalReader, read_journal
from querist.store.repair import Repair, repair_journal
from querist.store.run_folder import RunFolder, new_run_id
from querist.store.snapshots import Snapshot, Snapshots
from querist.store.versions import Versions

__all__ = [
    "ArrayFile",
    "DamagedFile",
    "FlushTimeout",
    "Holder",
    "Inbox",
    "IncompatibleFormat",
    "JournalCorrupt",
    "JournalReader",
    "JournalRewound",
    "JournalWriter",
    "LockLost",
    "Manifest",
    "Message",
    "NotARun",
    "NotStorable",
    "NotStored",
    "Outbox",
    "Parcel",
    "Record",
    "Repair",
    "RunExists",
    "RunFolder",
    "RunLocked",
    "Snapshot",
    "Snapshots",
    "StoreClosed",
    "StoreError",
    "StoreFailed",
    "StoreFull",
    "TooLarge",
    "Versions",
    "WriterLock",
    "WrongRun",
    "atomic_write",
    "load_arrays",
    "new_run_id",
    "read_holder",
    "read_journal",
    "repair_journal",
    "safe_name",
    "save_arrays",
    "sweep_temporaries",
]
