"""Actions on the load balancer: they return at once. Floor 4."""

from __future__ import annotations

from scheduler.decide.actions import Deregister, Forget, Register, Weigh
from scheduler.ports import LoadBalancer

ToFront = Register | Deregister | Forget | Weigh


class Front:
    """Tells the load balancer what was decided, each deregistration once."""

    def __init__(self, balancer: LoadBalancer) -> None:
        self._balancer = balancer
        self._draining: set[str] = set()

    def perform(self, action: ToFront) -> None:
        match action:
            case Register():
                # One deregistered before it was known still has to be.
                self._draining.discard(action.target_id)
                self._balancer.register(
                    action.target_id, action.group, action.host, action.port
                )
            case Deregister(target_id=name):
                if name not in self._draining:
                    self._balancer.deregister(name)
                    self._draining.add(name)
            case Forget(target_id=name):
                self._balancer.forget(name)
                self._draining.discard(name)
            case Weigh(rule, weights):
                self._balancer.set_weights(rule, dict(weights))
