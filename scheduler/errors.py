"""What can go wrong in the scheduler and may be caught. Floor 0.

    SchedulerError
      IllegalMove        our own bug: it rises, nobody handles it
      NothingToRollBackTo  no other deployment of the service was ever completed
      NothingUnderWay    the service's deployment has come to its end
      NothingWaits       no lifecycle hook waits to be told how it goes on
      HookFailed         a lifecycle hook could not be asked, or gave no answer
      ContainerError     a runtime could not do one operation on one host
        ImageNotFound      another try will not help; the definition names it wrong
        HostNotReached     nothing left us; the call had no effect
        OutcomeUnknown     it left us and no answer came; only looking will tell
        NameTaken          a container of that name exists and is not ours
        PortTaken          somebody else listens on the leased port
        CannotStart        any other refusal; the detail is the runtime's own text
      QueryInvalid       a placement constraint says nothing we can read

Leaves carry facts as attributes; `str` makes the sentence.
"""

from __future__ import annotations

from scheduler.model import TaskId, TaskStatus


class SchedulerError(Exception):
    """Root of what this package raises on purpose."""


class HookFailed(SchedulerError):
    """A lifecycle hook ended badly or was not reached; `str` says how."""


class NothingUnderWay(SchedulerError):
    """The service has no deployment that could be stopped."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service

    def __str__(self) -> str:
        return f"no deployment of {self.service} is under way"


class NothingWaits(SchedulerError):
    """No lifecycle hook of the service's deployment is AWAITING_ACTION."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service

    def __str__(self) -> str:
        return f"no lifecycle hook of {self.service} waits to be continued"


class IllegalMove(SchedulerError):
    """A task was to make a move that `decide.lifecycle.MOVES` does not have."""

    def __init__(
        self, task_id: TaskId, current: TaskStatus, wanted: TaskStatus
    ) -> None:
        super().__init__(task_id, current, wanted)
        self.task_id = task_id
        self.current = current
        self.wanted = wanted

    def __str__(self) -> str:
        return (
            f"task {self.task_id}: no move {self.current.value} -> {self.wanted.value}"
        )


class NothingToRollBackTo(SchedulerError):
    """No earlier deployment of the service that was completed is known."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.service = service

    def __str__(self) -> str:
        return (
            f"service {self.service} has no earlier deployment that was completed: "
            "there is nothing to roll back to"
        )


class ContainerError(SchedulerError):
    """`operation` on `host` did not succeed; `detail` is for a person."""

    def __init__(self, host: str, operation: str, detail: str) -> None:
        super().__init__(host, operation, detail)
        self.host = host
        self.operation = operation
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.operation} on {self.host}: {self.detail}"


class ImageNotFound(ContainerError):
    """No such image, here or in its registry."""


class HostNotReached(ContainerError):
    """The connection failed before anything was sent: nothing has happened."""


class OutcomeUnknown(ContainerError):
    """Sent and not answered: it may have happened, or may still happen."""


class NameTaken(ContainerError):
    """A container of that name exists and carries labels that are not ours."""


class PortTaken(ContainerError):
    """The host port could not be bound: a process we do not know has it."""


class CannotStart(ContainerError):
    """The runtime refused to create or start the container."""


class QueryInvalid(SchedulerError):
    """A cluster query cannot be read; `at` counts its characters from 1."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message, at)
        self.message = message
        self.at = at

    def __str__(self) -> str:
        return self.message
