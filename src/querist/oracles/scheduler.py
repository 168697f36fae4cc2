"""A queue of jobs, through PSI/J: SLURM, PBS, LSF, Flux, Cobalt, or processes of this host."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from querist.core.errors import ConfigError, OracleRejected, require
from querist.core.tasks import Resources
from querist.oracles.launchers import program_environment

LOCAL = "local"
# By these the engine and the guard find what must not outlive them; a job must.
_MARKS = ("QUERIST_LEASH", "QUERIST_GUARD")


class Refused(Exception):
    """The scheduler does not take a job now; it may later."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job to be submitted.

    Attributes:
        name: For the queue's listing.
        argv: Program and arguments.
        folder: Where it runs.
        resources: What it needs.
        queue, account, reservation: Where and on whose account, "" for the site's default.
        attributes: The scheduler's own, such as ``{"slurm.constraint": "cpu"}``.
    """

    name: str
    argv: Sequence[str]
    folder: Path
    resources: Resources
    queue: str = ""
    account: str = ""
    reservation: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


def _loaded() -> Any:
    """PSI/J, which keeps its scripts and logs in the user's home."""
    try:
        psij = require("psij", "queue", "the oracle 'queue'")
        psij.JobExecutorConfig.DEFAULT_WORK_DIRECTORY.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: pathlib knows no home
        raise ConfigError(
            f"PSI/J keeps scripts of jobs in ~/.psij/work, which cannot be made ({error}). Set "
            "HOME to a folder that can be written to, and that jobs see."
        ) from error
    return psij


class Scheduler:
    """One kind of queue.

    Args:
        name: PSI/J's executor: "local", "slurm", "pbs", "lsf", "flux" ...
        queue_seconds: How often the scheduler itself is asked for its jobs, all at once.

    Raises:
        MissingExtra: If PSI/J is not installed.
        ConfigError: If it knows no such executor, or has no place for its files.
    """

    def __init__(self, name: str, queue_seconds: float = 30.0) -> None:
        psij = _loaded()
        known = sorted(psij.JobExecutor.get_executor_names())
        if name not in known:
            raise ConfigError(f"PSI/J has no executor {name!r}; it has {', '.join(known)}.")
        self._psij, self.name = psij, name
        config = None
        if name != LOCAL and name not in ("flux", "rp"):
            batch = require("psij.executors.batch.batch_scheduler_executor", "queue", "queues")
            config = batch.BatchSchedulerExecutorConfig(
                queue_polling_interval=queue_seconds,
                initial_queue_polling_delay=min(2.0, queue_seconds),
                queue_polling_error_threshold=10,
            )
        self._executor = psij.JobExecutor.get_instance(name, config=config)

    def submit(self, order: Order) -> Any:
        """Submit a job.

        Returns:
            A handle for the other methods; its ``native_id`` is the scheduler's number.

        Raises:
            Refused: If the scheduler refuses it.
            OracleRejected: If no scheduler would take it.
        """
        psij = self._psij
        job = psij.Job(self._specification(order))
        try:
            self._executor.submit(job)
        except psij.InvalidJobException as error:
            raise OracleRejected(f"the job cannot be submitted to {self.name}: {error}.") from error
        except psij.SubmitException as error:
            raise Refused(str(error.__cause__ or error).strip()) from error
        return job

    def attach(self, native: str) -> Any:
        """A handle for a job of an earlier process; None when it is gone."""
        job = self._psij.Job()
        # PSI/J raises what its executors raise: of processes, psutil's errors.
        try:
            self._executor.attach(job, native)
        except Exception:  # noqa: BLE001 - a job that cannot be found is gone, whatever the reason
            return None
        return job

    def is_over(self, job: Any) -> bool:
        """Whether the scheduler says that a job has ended."""
        return bool(job.status.final)

    def is_out_of_sight(self, job: Any) -> bool:
        """Whether a job only seems over, because the scheduler gave no answer for some time."""
        return "Failed to poll" in (job.status.message or "")

    def why(self, job: Any) -> str:
        """What the scheduler says of a job, in words."""
        status = job.status
        message = f": {status.message.strip()}" if status.message else ""
        return f"{status.state.name.lower()}{message}"

    def cancel(self, job: Any) -> None:
        """Cancel a job, waiting or running; one that has ended stays as it is."""
        if self.is_over(job):
            return
        try:
            job.cancel()
        except self._psij.SubmitException:  # it ended just now
            return

    def _specification(self, order: Order) -> Any:
        psij, wanted = self._psij, order.resources
        # A process of this host is not to carry the campaign's marks; a queue's job cannot.
        local = self.name == LOCAL
        plain = {k: v for k, v in program_environment(os.environ).items() if k not in _MARKS}
        program, *arguments = order.argv
        return psij.JobSpec(
            name=order.name,
            executable=program,
            arguments=arguments,
            directory=order.folder,
            inherit_environment=not local,
            environment=plain if local else None,
            resources=psij.ResourceSpecV1(
                node_count=wanted.nodes,
                processes_per_node=wanted.ranks // wanted.nodes,
                cpu_cores_per_process=wanted.cores,
                gpu_cores_per_process=math.ceil(wanted.gpus / wanted.ranks) or None,
                memory=None if wanted.memory_mb is None else wanted.memory_mb << 20,
            ),
            attributes=self._attributes(order),
            launcher="single",  # the job's own program starts the ranks
        )

    def _attributes(self, order: Order) -> Any:
        seconds = order.resources.wall_seconds
        texts = {
            "queue_name": order.queue,
            "account": order.account,
            "reservation_id": order.reservation,
        }
        given: dict[str, Any] = {name: value for name, value in texts.items() if value}
        if seconds is not None:
            given["duration"] = timedelta(minutes=math.ceil(seconds / 60))
        if order.attributes:
            given["custom_attributes"] = dict(order.attributes)
        return self._psij.JobAttributes(**given)
