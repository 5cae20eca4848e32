"""Why keys of a Compose service are not carried over."""

from __future__ import annotations

from typing import Final

TAKES_ITS_PLACE: Final = "the load balancer takes Traefik's place"

_SHARED_NETWORK: Final = (
    "tasks of an instance share its network; services are reached through the load "
    "balancer"
)
_NO_FIELD: Final = "ECS has no field for it"

REASONS: Final = {
    "networks": _SHARED_NETWORK,
    "links": _SHARED_NETWORK,
    "external_links": _SHARED_NETWORK,
    "mac_address": _SHARED_NETWORK,
    "container_name": "tasks are many, and named by their ids",
    "volumes_from": "volumes are mounted by name",
    "annotations": _NO_FIELD,
    "attach": "`alb logs` shows what tasks write",
    "blkio_config": _NO_FIELD,
    "cgroup": _NO_FIELD,
    "cgroup_parent": _NO_FIELD,
    "cpu_count": "Windows only",
    "cpu_percent": "Windows only",
    "cpu_rt_period": _NO_FIELD,
    "cpu_rt_runtime": _NO_FIELD,
    "cpuset": _NO_FIELD,
    "credential_spec": "Windows only",
    "develop": "nothing is built or synchronised here",
    "device_cgroup_rules": _NO_FIELD,
    "dns_opt": _NO_FIELD,
    "domainname": _NO_FIELD,
    "gpus": "reserve them in deploy.resources.reservations.devices",
    "group_add": _NO_FIELD,
    "isolation": "Windows only",
    "label_file": "labels are written in the cluster file",
    "models": "there are no models here",
    "oom_kill_disable": _NO_FIELD,
    "oom_score_adj": _NO_FIELD,
    "pids_limit": "ECS has no limit of processes",
    "platform": "images are pulled for the instance's own platform",
    "post_start": _NO_FIELD,
    "pre_stop": "requests are drained before SIGTERM; a container traps that",
    "provider": "only containers are run",
    "pull_policy": "an image that is not there is pulled",
    "runtime": _NO_FIELD,
    "stop_signal": "the image's STOPSIGNAL is used",
    "storage_opt": _NO_FIELD,
    "use_api_socket": _NO_FIELD,
    "userns_mode": _NO_FIELD,
    "uts": _NO_FIELD,
}
