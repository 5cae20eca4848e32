"""In which order the containers of a task start and stop. Floor 1: pure.

    who must have come how far  --> which may start now, and until when to wait
                                --> waves in which they stop: dependents first

A link or a shared volume is a dependency with START, as in ECS's agent. Nothing
is remembered: who may start follows from how far the others have come.

Source: ECS developer guide, "Container dependency"; ECS API reference,
ContainerDependency, startTimeout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from scheduler.definition import Condition, ContainerDefinition, Dependency


def dependencies(container: ContainerDefinition) -> tuple[Dependency, ...]:
    """Return what the container waits for, links and volumes included."""
    implied = [link.partition(":")[0] for link in container.links]
    implied += [each.source_container for each in container.volumes_from]
    said = {each.container_name for each in container.depends_on}
    return (
        *container.depends_on,
        *(
            Dependency(name, Condition.START)
            for name in dict.fromkeys(implied)
            if name not in said
        ),
    )


def circle(containers: Sequence[ContainerDefinition]) -> tuple[str, ...]:
    """Return containers that wait for each other in a circle; empty: none do."""
    left = {each.name: _names(each) for each in containers}
    while free := [name for name, waits in left.items() if not waits & left.keys()]:
        for name in free:
            del left[name]
    if not left:
        return ()
    path = [min(left)]  # each that is left waits for another that is left
    while (following := min(left[path[-1]] & left.keys())) not in path:
        path.append(following)
    return tuple(path[path.index(following) :])


def in_order(
    containers: Sequence[ContainerDefinition],
) -> tuple[ContainerDefinition, ...]:
    """Return the containers, each after all that it waits for. No circles."""
    return tuple(each for wave in _waves(containers, _names) for each in wave)


def stop_waves(
    containers: Sequence[ContainerDefinition],
) -> tuple[tuple[str, ...], ...]:
    """Return names in waves: those of one are stopped at once, dependents first."""
    needed_by: dict[str, set[str]] = {each.name: set() for each in containers}
    for each in containers:
        for name in _names(each) & needed_by.keys():
            needed_by[name].add(each.name)
    waves = _waves(containers, lambda each: needed_by[each.name])
    return tuple(tuple(each.name for each in wave) for wave in waves)


def _names(container: ContainerDefinition) -> set[str]:
    return {each.container_name for each in dependencies(container)}


def _waves(
    containers: Sequence[ContainerDefinition],
    needs: Callable[[ContainerDefinition], Collection[str]],
) -> Iterator[tuple[ContainerDefinition, ...]]:
    """Yield those whose needs are all in earlier waves, until none is left."""
    left = list(containers)
    while left:
        names = {each.name for each in left}
        wave = tuple(each for each in left if names.isdisjoint(needs(each)))
        assert wave, "circles are refused when a definition is read"
        yield wave
        left = [each for each in left if each not in wave]


def waits_for(
    container: ContainerDefinition,
    has_reached: Callable[[Dependency], bool],
) -> tuple[Dependency, ...]:
    """Return the dependencies of a container that are not fulfilled yet."""
    return tuple(each for each in dependencies(container) if not has_reached(each))
