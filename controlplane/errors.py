"""What control refuses to do, and whose mistake it is.

    ControlError
      InvalidParameter     the request does not mean anything
      ServiceNotFound      no service of that name
      TaskNotFound         no task, or several, whose id begins so
      TargetNotConnected   the container does not run, or nobody reaches it
      LogsNotFound         neither a service nor one task is meant
    DefinitionNotFound   no task definition of that family or revision
    ListenerNotFound     no listener of that port or name
      RuleNotFound         the listener has no such rule
      VersionPassed        somebody else has changed it since
      NotApplied           no cluster file was applied yet
      NotScalable          a service whose count nothing changes by itself
      NoRollback           no earlier deployment was ever completed
      NotUnderWay          no deployment to be stopped, or to be continued
      GoingDown            everything is being stopped
      ListenerNotBound     a listener's address is taken or not ours
      SamplesInvalid    metric data with mistakes, all of them told
      TooManyMetrics       no more metrics are kept

The API turns each into a status and AWS's error code; nothing was changed.
`controlplane.problems.ConfigInvalid` and `foundation.journal.CommitFailed` stand
beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controlplane.problems import Problem, did_you_mean


class ControlError(Exception):
    """Base of everything control refuses on purpose."""


class InvalidParameter(ControlError):
    """A parameter is missing, of the wrong type, or out of range."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(name, message)
        self.name = name
        self.message = message

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


class ServiceNotFound(ControlError):
    """No service has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f'no service named "{self.name}"{did_you_mean(self.name, self.known)}'


class TaskNotFound(ControlError):
    """No task has an id that begins so, or several have."""

    def __init__(self, name: str, found: int) -> None:
        super().__init__(name, found)
        self.name = name
        self.found = found

    def __str__(self) -> str:
        if self.found:
            return f'{self.found} tasks begin with "{self.name}": write more of the id'
        return f'no task "{self.name}"'


class TargetNotConnected(ControlError):
    """The container in which a command is to run does not run, or nobody reaches it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class LogsNotFound(ControlError):
    """Neither a service nor one task is meant."""

    def __init__(self, name: str, found: int, known: Iterable[str]) -> None:
        super().__init__(name, found)
        self.name = name
        self.found = found
        self.known = tuple(known)

    def __str__(self) -> str:
        if self.found:
            return str(TaskNotFound(self.name, self.found))
        near = did_you_mean(self.name, self.known)
        return f'no service and no task named "{self.name}"{near}'


class DefinitionNotFound(ControlError):
    """No task definition of that family, or no such revision."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        hint = did_you_mean(self.name, self.known)
        return f'no task definition "{self.name}"{hint}'


class ListenerNotFound(ControlError):
    """No listener has that port or name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f'no listener "{self.name}"; there is {known}'


class RuleNotFound(ControlError):
    """The listener has no rule of that priority or name."""

    def __init__(self, name: str, port: int, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.port = port
        self.known = tuple(known)

    def __str__(self) -> str:
        near = did_you_mean(self.name, self.known)
        return f'listener {self.port} has no rule "{self.name}"{near}'


class AlarmNotFound(ControlError):
    """No alarm has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(name)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f'no alarm named "{self.name}"{did_you_mean(self.name, self.known)}'


class VersionPassed(ControlError):
    """What was to be changed is not any more what the caller has seen."""

    def __init__(self, seen: int, now: int) -> None:
        super().__init__(seen, now)
        self.seen = seen
        self.now = now

    def __str__(self) -> str:
        return f"weights were changed since: version {self.now}, not {self.seen}"


class NotApplied(ControlError):
    """There is nothing to act on yet."""

    def __str__(self) -> str:
        return "no cluster file was applied yet"


class NotScalable(ControlError):
    """A service that does not scale by itself; the sentence says why."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(service, reason)
        self.service = service
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.service} does not scale: {self.reason}"


class NoRollback(ControlError):
    """The service cannot go back to anything; the sentence says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class NotUnderWay(ControlError):
    """Nothing of a deployment can be stopped or continued; the sentence says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class GoingDown(ControlError):
    """Everything is being stopped; nothing new is begun."""

    def __str__(self) -> str:
        return "the cluster is going down; start it again with `alb up`"


class ListenerNotBound(ControlError):
    """A listener cannot take its address; the sentence says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SamplesInvalid(ControlError):
    """Metric data with mistakes; nothing of it was taken."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        told = [f"{problem.path}: {problem.message}" for problem in self.problems]
        return "; ".join(told)


class TooManyMetrics(ControlError):
    """As many metrics are kept as can be; nothing of the request was taken."""

    def __init__(self, most: int, kept: int, new: int) -> None:
        super().__init__(most, kept, new)
        self.most = most
        self.kept = kept
        self.new = new

    def __str__(self) -> str:
        return (
            f"at most {self.most} metrics are kept: {self.kept} are, and {self.new}"
            " more were sent; fewer values of dimensions make fewer metrics"
        )
