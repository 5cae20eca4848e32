"""A deployment takes over from another, stage by stage. Floor 1: pure.

    RECONCILE_SERVICE -> PRE_SCALE_UP -> SCALE_UP -> POST_SCALE_UP
    -> TEST_TRAFFIC_SHIFT -> POST_TEST_TRAFFIC_SHIFT
    -> PRODUCTION_TRAFFIC_SHIFT -> POST_PRODUCTION_TRAFFIC_SHIFT
    -> BAKE_TIME -> CLEAN_UP

One move per look, and each is written down before anything is done about it: what
workers are told follows from the records alone, so it does not matter where a
control ended and the next one began. Two promises:

* requests move only to tasks that are healthy: all that are desired, before a new
  deployment gets any or gets more; the minimum, before most of them go back to an
  earlier one;
* tasks that requests are sent to are not stopped.

Sources: ECS developer guide, "Amazon ECS blue/green service deployments workflow";
API reference, ServiceDeployment, LinearConfiguration, CanaryConfiguration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from scheduler.configuration import DeploymentConfiguration, LifecycleStage, Strategy
from scheduler.model import Deployment, RolloutState, Service, ServiceLoadBalancer
from scheduler.takeover import Shares, Takeover

S = LifecycleStage
ALL: Final = 100.0
MINUTE_S: Final = 60.0
STAGES: Final = tuple(LifecycleStage)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Whom the rules' requests reach, as a service's record has it."""

    production: Shares
    test_id: str

    def share_of(self, deployment_id: str) -> float:
        """Return the percentage of production requests that its tasks get."""
        return dict(self.production).get(deployment_id, 0.0)


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look sees of a service whose deployment takes over."""

    now_unix_s: float
    whole: bool
    """As many of its tasks as are desired are healthy."""
    serves: bool
    """As many are healthy as have to be, and one at least."""
    alone: bool
    """Nobody else has tasks in its target groups."""
    served: bool
    """Every worker shares out requests as the records say."""


@dataclass(frozen=True, slots=True)
class Advance:
    """What is so after a look; equal to what was, where nothing happened."""

    takeover: Takeover
    traffic: Traffic
    wake_at_unix_s: float | None = None


# --- who takes over from whom ---------------------------------------------------------


def is_under_way(deployment: Deployment) -> bool:
    """Tell whether it and its source are both kept whole."""
    takeover = deployment.takeover
    if takeover is None or takeover.stage is S.CLEAN_UP:
        return False
    return deployment.rollout_state is not RolloutState.COMPLETED


def is_cleaning_up(deployment: Deployment) -> bool:
    takeover = deployment.takeover
    return takeover is not None and takeover.stage is S.CLEAN_UP


def base_of(
    primary: Deployment, known: Mapping[str, Deployment], production: Shares
) -> Deployment:
    """Return the deployment from which another takes over: most requests reach it.

    So nothing has to move before the other one begins, whoever serves how well. Where
    no rule is the service's own, the PRIMARY one.
    """
    if not production:
        return primary
    holder, _ = max(reversed(production), key=lambda part: part[1])
    return known.get(holder, primary)


def kept(
    primary: Deployment, production: Shares, known: Mapping[str, Deployment]
) -> list[Deployment]:
    """Return the deployments that are kept whole, the PRIMARY one last."""
    taking, names = primary.takeover, [name for name, _ in production]
    if taking is not None and is_under_way(primary):
        names.append(taking.source_id)
    if taking is None or taking.stage not in _BEFORE_SCALE_UP:
        names = [*(name for name in names if name != primary.id), primary.id]
    return [known[name] for name in dict.fromkeys(names) if name in known]


_BEFORE_SCALE_UP: Final = (S.RECONCILE_SERVICE, S.PRE_SCALE_UP)


def begun(
    service: Service, base: Deployment | None, now_unix_s: float
) -> Takeover | None:
    """Return how a new deployment of the service begins; None: a rolling one."""
    strategy = service.deployment.strategy
    if strategy is Strategy.ROLLING:
        return None
    source = base.id if base else ""
    return Takeover(strategy, source, S.RECONCILE_SERVICE, now_unix_s)


def returning(to: Deployment, base: Deployment, now_unix_s: float) -> Takeover | None:
    """Return how an earlier deployment takes over again; None: its groups serve."""
    if groups_of(to) == groups_of(base):
        return None
    return Takeover(Strategy.BLUE_GREEN, base.id, S.SCALE_UP, now_unix_s, returns=True)


def groups_of(deployment: Deployment) -> list[str]:
    return [item.target_group for item in deployment.load_balancers or ()]


def groups_in(service: Service) -> set[str]:
    """Return the groups between which the service's requests move."""
    return {
        group
        for item in service.load_balancers
        if item.advanced
        for group in (item.target_group, item.advanced.alternate_target_group)
    }


def resolved(
    service: Service, base: Deployment | None
) -> tuple[ServiceLoadBalancer, ...]:
    """Return the groups of a new deployment's tasks.

    Of one that takes over, the other one of each pair; else those that serve.
    """
    serving = set(groups_of(base)) if base else set()
    moves = service.deployment.strategy is not Strategy.ROLLING and base is not None
    return tuple(
        _swapped(item) if _is_swapped(item, serving, moves=moves) else item
        for item in service.load_balancers
    )


def _is_swapped(item: ServiceLoadBalancer, serving: set[str], *, moves: bool) -> bool:
    if item.advanced is None:
        return False
    return (item.advanced.alternate_target_group in serving) is not moves


def _swapped(item: ServiceLoadBalancer) -> ServiceLoadBalancer:
    """Return it with the two groups of the pair in each other's place."""
    assert item.advanced is not None
    return replace(
        item,
        target_group=item.advanced.alternate_target_group,
        deregistration_delay_s=item.advanced.alternate_deregistration_delay_s,
        advanced=replace(
            item.advanced,
            alternate_target_group=item.target_group,
            alternate_deregistration_delay_s=item.deregistration_delay_s,
        ),
    )


# --- stage by stage -------------------------------------------------------------------


def advance(
    deployment: Deployment,
    config: DeploymentConfiguration,
    traffic: Traffic,
    sight: Sight,
) -> Advance:
    """Return the deployment's next move; it is under way. Never raises."""
    takeover = deployment.takeover
    assert takeover is not None, "asked of one that takes over"
    takeover = noted(takeover, sight)
    here = _Here(deployment.id, takeover, config, traffic, sight)
    moved = _AT.get(takeover.stage, _next)(here)
    if moved.traffic != traffic:
        served = replace(moved.takeover, served_since_unix_s=None)
        return replace(moved, takeover=served)
    return moved


@dataclass(frozen=True, slots=True)
class _Here:
    """A deployment at a stage, as `advance` was asked of it."""

    id: str
    takeover: Takeover
    config: DeploymentConfiguration
    traffic: Traffic
    sight: Sight

    def stay(self, wake_at_unix_s: float | None = None) -> Advance:
        return Advance(self.takeover, self.traffic, wake_at_unix_s)

    def share(self, deployment_id: str, percent: float = ALL) -> Advance:
        """Send that part to a deployment, and the rest to the source."""
        source = self.takeover.source_id
        parts = [(deployment_id, percent), (source, round(ALL - percent, 1))]
        shares = tuple(part for part in parts if part[1])
        return Advance(self.takeover, replace(self.traffic, production=shares))

    def test(self, deployment_id: str) -> Advance:
        return Advance(self.takeover, replace(self.traffic, test_id=deployment_id))


def noted(takeover: Takeover, sight: Sight) -> Takeover:
    """Return it knowing since when requests are shared out as decided."""
    if not sight.served or takeover.served_since_unix_s is not None:
        return takeover
    return replace(takeover, served_since_unix_s=sight.now_unix_s)


def _next(here: _Here) -> Advance:
    later = STAGES[STAGES.index(here.takeover.stage) + 1]
    takeover = replace(here.takeover, stage=later, since_unix_s=here.sight.now_unix_s)
    return Advance(takeover, here.traffic)


def _reconcile(here: _Here) -> Advance:
    """Give the source back what a deployment took that did not come to its end."""
    base, sight = here.takeover.source_id or here.id, here.sight
    if here.traffic.share_of(base) < ALL:
        return here.share(base)
    if here.traffic.test_id != base:
        return here.test(base)
    return _next(here) if sight.served and sight.alone else here.stay()


def _scale_up(here: _Here) -> Advance:
    sight = here.sight
    enough = sight.serves if here.takeover.returns else sight.whole
    return _next(here) if enough else here.stay()


def _shift_test(here: _Here) -> Advance:
    if here.traffic.test_id != here.id:
        return here.test(here.id)
    return _next(here) if here.sight.served else here.stay()


def _shift_production(here: _Here) -> Advance:
    """Shift the next part, once what was shifted before was looked at long enough."""
    share, sight, takeover = here.traffic.share_of(here.id), here.sight, here.takeover
    since = takeover.served_since_unix_s
    if share >= ALL:
        return _next(here) if since is not None else here.stay()
    steps = (ALL,) if takeover.returns else steps_of(takeover.strategy, here.config)
    if share and not takeover.returns:
        if since is None:
            return here.stay()
        until = since + MINUTE_S * _step_bake_minutes(takeover.strategy, here.config)
        if sight.now_unix_s < until:
            return here.stay(until)
    enough = sight.serves if takeover.returns else sight.whole
    if not enough:
        return here.stay()
    return here.share(here.id, next(step for step in steps if step > share))


def steps_of(strategy: Strategy, config: DeploymentConfiguration) -> tuple[float, ...]:
    """Return the shares, in percent, that a deployment has one after the other."""
    match strategy:
        case Strategy.LINEAR:
            percent = config.linear.step_percent
            count = int(ALL / percent)
            parts = [round(percent * number, 1) for number in range(1, count + 1)]
        case Strategy.CANARY:
            parts = [config.canary.canary_percent]
        case _:
            parts = []
    return (*(part for part in parts if part < ALL), ALL)


def _step_bake_minutes(strategy: Strategy, config: DeploymentConfiguration) -> float:
    if strategy is Strategy.LINEAR:
        return config.linear.step_bake_time_in_minutes
    return config.canary.canary_bake_time_in_minutes


def _bake(here: _Here) -> Advance:
    minutes = 0.0 if here.takeover.returns else here.config.bake_time_in_minutes
    until = here.takeover.since_unix_s + MINUTE_S * minutes
    if here.sight.now_unix_s < until:
        return here.stay(until)
    return _next(here)


_AT: Final[Mapping[LifecycleStage, Callable[[_Here], Advance]]] = {
    S.RECONCILE_SERVICE: _reconcile,
    S.SCALE_UP: _scale_up,
    S.TEST_TRAFFIC_SHIFT: _shift_test,
    S.PRODUCTION_TRAFFIC_SHIFT: _shift_production,
    S.BAKE_TIME: _bake,
}
"""What a stage waits for; one that is not here waits for nothing of its own."""


# --- what the load balancer is told ---------------------------------------------------

Weights = Mapping[str, float]
"""Percent by target group, of what a rule gives to these groups."""


def weights_of(
    service: Service, traffic: Traffic, known: Mapping[str, Deployment]
) -> dict[str, Weights]:
    """Return what each of the service's rules is to give its groups, by place.

    Where the records do not tell, the rule is left as its file has it.
    """
    found: dict[str, Weights] = {}
    for item in service.load_balancers:
        if item.advanced is None:
            continue
        rules = (
            (item.advanced.production_listener_rule, traffic.production),
            (item.advanced.test_listener_rule, ((traffic.test_id, ALL),)),
        )
        for place, shares in rules:
            weights = _of_pair(item, shares, known)
            if place and weights:
                found[place] = weights
    return found


def _of_pair(
    item: ServiceLoadBalancer, shares: Shares, known: Mapping[str, Deployment]
) -> dict[str, float]:
    """Return the shares of the pair's groups; empty: none of them is in it."""
    assert item.advanced is not None
    weights = {item.target_group: 0.0, item.advanced.alternate_target_group: 0.0}
    for deployment_id, percent in shares:
        deployment = known.get(deployment_id)
        for group in groups_of(deployment) if deployment else ():
            if group in weights:
                weights[group] += percent
    return weights if any(weights.values()) else {}
