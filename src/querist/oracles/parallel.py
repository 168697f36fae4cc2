"""A simulation that is itself parallel: a command under the site's launcher, in its own share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from querist.core.batch import Sample
from querist.core.errors import ConfigError
from querist.core.roles import TaskContext
from querist.core.tasks import Resources
from querist.oracles.allocation import Allocation, Share
from querist.oracles.command import CommandOracle
from querist.oracles.guarded import Command
from querist.oracles.launchers import (
    PLACES_GPUS,
    Launch,
    check_launcher,
    find_launcher,
    prefix,
    program_environment,
)

GRACE_SECONDS = 2.0


@dataclass(eq=False)
class ParallelCommand(CommandOracle):
    """Runs one command a sample with ``mpiexec``, ``srun`` or another launcher.

    In a campaign its ``resources`` say how large each simulation is, and each worker gets a share
    of the allocation: so many run at once as there are workers, and no two on the same core or
    GPU. Used by itself it takes the first share. The variables by which a program would believe to
    be a rank of the campaign's own MPI job, or a part of its job step, are removed.

    Attributes:
        launcher: "auto", a name of :data:`~querist.oracles.launchers.LAUNCHERS`, or a command line
            with ``$ranks``, ``$nodes``, ``$per_node``, ``$cores``, ``$gpus``, ``$memory_mb``,
            ``$wall_seconds``, ``$hosts``, ``$core_list``, ``$folder``.
        launcher_options: Further words before the program.
        pin: Whether each simulation is held to the cores of its share.
    """

    launches: ClassVar[bool] = True
    needs_share: ClassVar[bool] = True

    launcher: str = "auto"
    launcher_options: Sequence[str] = ()
    pin: bool = True
    _found: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_launcher(self.launcher)
        if isinstance(self.launcher_options, str):
            raise ConfigError(
                f"launcher_options is a list of words, not the text {self.launcher_options!r}."
            )
        check_parallel(self.resources)

    def place(self, resources: Resources | None, share: Share | None) -> None:
        """What a campaign says of each simulation: its resources, and this worker's share."""
        check_parallel(resources or self.resources)
        super().place(resources, share)

    def _prepare(self, sample: Sample, folder: Path, context: TaskContext) -> Command:
        return self._launched(super()._prepare(sample, folder, context))

    def _own_share(self) -> Share | None:
        if self._share is None:
            wanted = [("command", self.resources, 1)]
            self._share = Allocation.found().shares(wanted)["command"][0]
        return self._share

    def _launched(self, command: Command) -> Command:
        self._found = self._found or find_launcher(self.launcher)
        launch = Launch(
            self.resources,
            self._own_share(),
            command.folder,
            self.pin,
            overlap="SLURM_STEP_ID" in os.environ,
            given=self._found,
        )
        environment = {**program_environment(command.environment), **self.environment}
        if launch.gpus is not None and self._found not in PLACES_GPUS:
            environment["CUDA_VISIBLE_DEVICES"] = launch.gpus
        return replace(
            command,
            argv=[*prefix(self._found, launch), *self.launcher_options, *command.argv],
            environment=environment,
            cores=launch.by_affinity,
            grace=GRACE_SECONDS,
        )


def check_parallel(wanted: Resources) -> None:
    """Refuse resources that no launcher can give.

    Raises:
        ConfigError: If a count is not positive, or ranks cannot be shared out over nodes.
    """
    if min(wanted.nodes, wanted.ranks, wanted.cores) < 1 or wanted.gpus < 0:
        raise ConfigError(f"nodes, ranks and cores are 1 or more, gpus 0 or more; got {wanted}.")
    if wanted.ranks % wanted.nodes:
        raise ConfigError(
            f"{wanted.ranks} ranks cannot be shared out evenly over {wanted.nodes} nodes; make "
            "ranks a multiple of nodes."
        )
    if wanted.gpus > 1 and wanted.gpus != int(wanted.gpus):
        raise ConfigError(f"gpus is a whole number or a fraction of one, not {wanted.gpus:g}.")
