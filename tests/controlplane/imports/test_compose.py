"""What each part of a Compose service becomes, and what is told of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.imported import as_written, compose, outcome

CONTAINER = "taskDefinitions.0.containerDefinitions.0"
TASK = "taskDefinitions.0"
SERVICE = "services.0"
LINUX = f"{CONTAINER}.linuxParameters"


def service(lines: str, rest: str = "") -> str:
    """A project of one service, `web`, with these keys."""
    body = "\n".join(f"    {line}" for line in lines.splitlines())
    image = "" if "image:" in lines or "build:" in lines else "    image: shop/web\n"
    return f"name: shop\nservices:\n  web:\n{image}{body}\n{rest}\n"


# fmt: off
BECOMES = [
    ("image: a/b:1", f"{CONTAINER}.image", "a/b:1", "an image is an image"),
    ("build: .", f"{CONTAINER}.image", "shop-web", "what is built has Compose's name"),
    ("command: run --x 'a b'", f"{CONTAINER}.command", ["run", "--x", "a b"], "a text is split as a shell does"),
    ("command: [run, '$$HOME']", f"{CONTAINER}.command", ["run", "$$HOME"], "two dollars stay one"),
    ("entrypoint: /bin/x -y", f"{CONTAINER}.entryPoint", ["/bin/x", "-y"], "an entry point too"),
    ("environment: {A: 1, B: 'no'}", f"{CONTAINER}.environment", [{"name": "A", "value": "1"}, {"name": "B", "value": "no"}], "values are texts"),
    ("environment: [A=1=2, A=3]", f"{CONTAINER}.environment", [{"name": "A", "value": "3"}], "the last of a name counts"),
    ("environment: [TOKEN]", f"{CONTAINER}.environment", [{"name": "TOKEN", "value": "${TOKEN-}"}], "a name alone comes from alb's environment"),
    ("env_file: ./a.env", f"{CONTAINER}.environmentFiles", [{"type": "s3", "value": "/srv/shop/a.env"}], "files are relative to the Compose file"),
    ("env_file: [{path: b.env}]", f"{CONTAINER}.environmentFiles", [{"type": "s3", "value": "/srv/shop/b.env"}], "the long form too"),
    ("expose: ['9000']", f"{CONTAINER}.portMappings", [{"containerPort": 9000}], "an exposed port gets a lease"),
    ("ports: ['9000']", f"{CONTAINER}.portMappings", [{"containerPort": 9000}], "and so does one without a host port"),
    ("ports: ['8080:80']", "listeners.0.port", 8080, "a published port is a listener's"),
    ("ports: ['8080:80']", f"{CONTAINER}.portMappings", [{"containerPort": 80}], "and not the host's"),
    ("ports: ['5432:5432']", f"{CONTAINER}.portMappings", [{"containerPort": 5432, "hostPort": 5432}], "but not PostgreSQL's"),
    ("ports: [{target: 7000, published: '7001', app_protocol: redis}]", f"{CONTAINER}.portMappings", [{"containerPort": 7000, "hostPort": 7001}], "nor one that says it is not HTTP"),
    ("ports: [{target: 6379, published: 80, app_protocol: http}]", "listeners.0.port", 80, "what says HTTP is HTTP"),
    ("ports: [{target: 80, published: 80, mode: host}]", f"{CONTAINER}.portMappings", [{"containerPort": 80, "hostPort": 80}], "mode host is the host's port"),
    ("ports: ['53:53/udp']", f"{CONTAINER}.portMappings", [{"containerPort": 53, "hostPort": 53, "protocol": "udp"}], "udp stays udp"),
    ("ports: ['3000-3001:4000-4001']", "listeners", [{"port": 3000, "protocol": "HTTP", "defaultActions": [{"type": "forward", "targetGroup": "web"}]}, {"port": 3001, "protocol": "HTTP", "defaultActions": [{"type": "forward", "targetGroup": "web-4001"}]}], "a range is each of its ports"),
    ("ports: ['8080:80']", "loadBalancer.scheme", "internet-facing", "published on all addresses"),
    ("ports: ['127.0.0.1:8080:80']", "loadBalancer", None, "or on loopback only"),
    ("ports: ['5432:5432']", f"{SERVICE}.deploymentConfiguration", {"minimumHealthyPercent": 0, "maximumPercent": 100}, "a port of the host cannot be held twice"),
    ("healthcheck: {test: curl -f localhost, interval: 1m30s, retries: 5}", f"{CONTAINER}.healthCheck", {"command": ["CMD-SHELL", "curl -f localhost"], "interval": 90, "retries": 5}, "a text is for a shell"),
    ("healthcheck: {test: [CMD, x], timeout: 1s}", f"{CONTAINER}.healthCheck", {"command": ["CMD", "x"], "timeout": 2}, "what ECS does not take becomes its nearest"),
    ("healthcheck: {disable: true}", f"{CONTAINER}.healthCheck", {"command": ["NONE"]}, "the image's check is switched off"),
    ("healthcheck: {test: [NONE]}", f"{CONTAINER}.healthCheck", {"command": ["NONE"]}, "in either way"),
    ("ports: ['8080:80']\nhealthcheck: {test: 'wget -q http://localhost:80/up'}", "targetGroups.0.healthCheckPath", "/up", "the load balancer asks what the container asks"),
    ("ports: ['8080:80']", "targetGroups.0.matcher", {"httpCode": "200-499"}, "where nothing says what to ask, any answer will do"),
    ("deploy: {replicas: 3}", f"{SERVICE}.desiredCount", 3, "replicas are tasks"),
    ("scale: 2", f"{SERVICE}.desiredCount", 2, "so they are in the older way"),
    ("profiles: [debug]", f"{SERVICE}.desiredCount", 0, "a profile that is off runs nothing"),
    ("deploy: {mode: global}", f"{SERVICE}.schedulingStrategy", "DAEMON", "one on each instance"),
    ("deploy: {resources: {limits: {cpus: '0.5', memory: 256M}}}", f"{TASK}.cpu", "512", "a limit of CPU is the task's quota"),
    ("deploy: {resources: {limits: {cpus: '0.5', memory: 256M}}}", f"{CONTAINER}.memory", 256, "a limit of memory the container's"),
    ("deploy: {resources: {reservations: {cpus: '0.25', memory: 64M}}}", f"{CONTAINER}.cpu", 256, "a reservation of CPU is its shares"),
    ("mem_limit: 1g\nmem_reservation: 512m", f"{CONTAINER}.memoryReservation", 512, "the older way"),
    ("cpus: 2", f"{TASK}.cpu", "2048", "the older way of CPU"),
    ("cpu_quota: 50000", f"{TASK}.cpu", "512", "and the oldest"),
    ("cpu_shares: 512", f"{CONTAINER}.cpu", 512, "shares are shares"),
    ("mem_limit: 64m\nmemswap_limit: 128m", f"{LINUX}.maxSwap", 64, "swap without the memory"),
    ("shm_size: 128m", f"{LINUX}.sharedMemorySize", 128, "shared memory in MiB"),
    ("mem_limit: 1b", f"{CONTAINER}.memory", 6, "ECS's least"),
    ("restart: always", f"{CONTAINER}.memoryReservation", 128, "without a word on memory some is reserved"),
    ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: 2}]}}}", f"{CONTAINER}.resourceRequirements", [{"type": "GPU", "value": "2"}], "GPUs are counted"),
    ("deploy: {replicas: 4, update_config: {order: start-first, parallelism: 1}}", f"{SERVICE}.deploymentConfiguration", {"minimumHealthyPercent": 100, "maximumPercent": 125}, "one more at a time"),
    ("deploy: {replicas: 4, update_config: {parallelism: 2}}", f"{SERVICE}.deploymentConfiguration", {"minimumHealthyPercent": 50, "maximumPercent": 100}, "two fewer at a time"),
    ("deploy: {update_config: {failure_action: rollback}}", f"{SERVICE}.deploymentConfiguration.deploymentCircuitBreaker", {"enable": True, "rollback": True}, "failures roll back"),
    ("deploy: {placement: {constraints: [node.labels.disk == ssd]}}", f"{SERVICE}.placementConstraints", [{"type": "memberOf", "expression": "attribute:disk == ssd"}], "labels of nodes are attributes"),
    ("deploy: {placement: {preferences: [{spread: node.labels.zone}]}}", f"{SERVICE}.placementStrategy", [{"type": "spread", "field": "attribute:zone"}], "tasks are spread over them"),
    ("deploy: {placement: {max_replicas_per_node: 1}}", f"{SERVICE}.placementConstraints", [{"type": "distinctInstance"}], "one per instance"),
    ("volumes: ['data:/d']", f"{TASK}.volumes", [{"name": "data", "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": True}}], "a named volume outlives its tasks"),
    ("volumes: ['./x:/d:ro']", f"{CONTAINER}.mountPoints", [{"sourceVolume": "srv-shop-x", "containerPath": "/d", "readOnly": True}], "a path of the host is mounted"),
    ("volumes: ['./x:/d']", "allowHostPaths", True, "which has to be allowed"),
    ("volumes: ['~/x:/d']", f"{TASK}.volumes.0.host.sourcePath", "/home/me/x", "home is known"),
    ("volumes: [{type: bind, source: ., target: /d, read_only: true}]", f"{TASK}.volumes.0.host.sourcePath", "/srv/shop", "the long form"),
    ("tmpfs: /run:size=32m", f"{LINUX}.tmpfs", [{"containerPath": "/run", "size": 32}], "memory as a file system"),
    ("volumes: [{type: tmpfs, target: /t, tmpfs: {size: 10485760}}]", f"{LINUX}.tmpfs", [{"containerPath": "/t", "size": 10}], "written as a volume too"),
    ("ulimits: {nproc: 65535, nofile: {soft: 1, hard: 2}}", f"{CONTAINER}.ulimits", [{"name": "nproc", "softLimit": 65535, "hardLimit": 65535}, {"name": "nofile", "softLimit": 1, "hardLimit": 2}], "limits have two sides"),
    ("cap_add: [NET_ADMIN]\ncap_drop: [ALL]", f"{LINUX}.capabilities", {"add": ["NET_ADMIN"], "drop": ["ALL"]}, "capabilities"),
    ("init: true", f"{LINUX}.initProcessEnabled", True, "an init process"),
    ("devices: ['/dev/a:/dev/b:rw']", f"{LINUX}.devices", [{"hostPath": "/dev/a", "containerPath": "/dev/b", "permissions": ["read", "write"]}], "devices"),
    ("privileged: true", "allowPrivileged", True, "has to be allowed"),
    ("read_only: true", f"{CONTAINER}.readonlyRootFilesystem", True, "a root that is read-only"),
    ("user: '1000:1000'\nworking_dir: /a\nhostname: h", f"{CONTAINER}.user", "1000:1000", "who it runs as"),
    ("extra_hosts: ['a:10.0.0.1', 'b=10.0.0.2']", f"{CONTAINER}.extraHosts", [{"hostname": "a", "ipAddress": "10.0.0.1"}, {"hostname": "b", "ipAddress": "10.0.0.2"}], "both forms of hosts"),
    ("extra_hosts: ['host.docker.internal:host-gateway']", f"{CONTAINER}.extraHosts", None, "every task has this one"),
    ("dns: 1.1.1.1", f"{CONTAINER}.dnsServers", ["1.1.1.1"], "a single one is a list"),
    ("sysctls: {net.core.somaxconn: 1024}", f"{CONTAINER}.systemControls", [{"namespace": "net.core.somaxconn", "value": "1024"}], "settings of the kernel"),
    ("logging: {driver: syslog, options: {tag: x}}", f"{CONTAINER}.logConfiguration", {"logDriver": "syslog", "options": {"tag": "x"}}, "where logs go"),
    ("stop_grace_period: 1m", f"{CONTAINER}.stopTimeout", 60, "how long it may end"),
    ("network_mode: host", f"{TASK}.networkMode", "host", "the host's network"),
    ("pid: host", f"{TASK}.pidMode", "host", "the host's processes"),
    ("labels: {a: b}", f"{CONTAINER}.dockerLabels", {"a": "b"}, "labels of the container"),
    ("tty: true\nstdin_open: yes", f"{CONTAINER}.interactive", True, "YAML 1.1's yes"),
    ("image: 'a:${TAG:-1}'", f"{CONTAINER}.image", "a:${TAG:-1}", "a variable stays one"),
    ("image: 'a:$TAG'", f"{CONTAINER}.image", "a:${TAG-}", "empty where it is not set, as in Compose"),
]
# fmt: on


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [row[:-1] for row in BECOMES],
    ids=[row[-1] for row in BECOMES],
)
def test_a_service_becomes(lines: str, path: str, expected: Any) -> None:
    assert expected == as_written(compose(service(lines))).at(path)


@pytest.mark.parametrize("lines", [row[0] for row in BECOMES])
def test_what_comes_out_is_accepted(lines: str) -> None:
    """Whatever of it is built: the rest is told."""
    assert outcome(compose(service(lines))).at("cluster") == "shop"


# fmt: off
TOLD = [
    ("build: .", "build", "not built here", "images are built elsewhere"),
    ("depends_on: [db]", "depends_on[0]", "side by side", "services have no order"),
    ("depends_on: {db: {condition: service_healthy, restart: true}}", "depends_on.db.restart", "a task whose job", "each part of a dependency"),
    ("networks: [back]", "networks", "share its network", "networks are not apart"),
    ("restart: 'no'", "restart", "always replaced", "a service's tasks come again"),
    ("links: [db]", "links", "share its network", "links of old"),
    ("container_name: x", "container_name", "named by their ids", "tasks are many"),
    ("nonsense: 1", "nonsense", "is not known", "what nobody knows"),
    ("comand: x", "comand", 'did you mean "command"', "what was meant is guessed"),
    ("healthcheck: {test: x, start_interval: 1s}", "healthcheck.start_interval", "one interval", "inside a health check"),
    ("healthcheck: {test: x, retries: 99}", "healthcheck.retries", "becomes 10", "what was changed to fit"),
    ("volumes: ['a:/b:ro,z']", "volumes[0]", "z: only ro", "options of a mount"),
    ("volumes: [{type: npipe, source: a, target: /b}]", "volumes[0]", "npipe", "kinds of mounts"),
    ("secrets: [x]", "secrets[0]", "has a file", "a secret that is no file"),
    ("env_file: [{path: a, format: raw}]", "env_file[0].format", "one variable", "formats of files"),
    ("environment: [A]", "environment[0]", "environment of alb", "where a value comes from"),
    ("environment: {DB: 'postgres://u@db:5432/x'}", "environment.DB", "db is a service", "a name that will not resolve"),
    ("command: ['']", "command", "empty word", "an empty word"),
    ("command: []", "command", "does not clear", "an empty command"),
    ("command: \"'\"", "command", "quotes", "quotes that do not match"),
    ("ports: ['x:y']", "ports[0]", "must be a port", "what is no port"),
    ("ports: ['${P:-8080}:80']", "ports[0]", "P: put in as it is now", "what had to be computed"),
    ("image: 'a:${T:+x}'", "image", "put in as it is now", "a form that is not ours"),
    ("deploy: {update_config: {delay: 1s}}", "deploy.update_config.delay", "healthy", "inside an update"),
    ("deploy: {endpoint_mode: dnsrr}", "deploy.endpoint_mode", "load balancer", "inside deploy"),
    ("deploy: {resources: {limits: {pids: 1}}}", "deploy.resources.limits.pids", "no limit", "deep inside deploy"),
    ("deploy: {placement: {constraints: [node.role == manager]}}", "deploy.placement.constraints[0]", "attribute", "roles"),
    ("network_mode: 'service:db'", "network_mode", "not shared", "sidecars of a network"),
    ("extends: {service: db, file: other.yaml}", "extends", "cannot be read", "a file that is not there"),
    ("extends: nobody", "extends", "no service nobody", "a base that is not there"),
]
# fmt: on


@pytest.mark.parametrize(
    ("lines", "path", "why"),
    [row[:-1] for row in TOLD],
    ids=[row[-1] for row in TOLD],
)
def test_what_is_not_carried_over_is_told(lines: str, path: str, why: str) -> None:
    told = as_written(compose(service(lines, "  db: {image: pg}"))).told

    assert why in told[f"services.web.{path}"]


def test_a_loss_names_file_line_and_column_and_stands_at_its_place() -> None:
    done = outcome(compose("services:\n  web:\n    image: a\n    networks: [b]\n")).done

    line = str(done.losses[0])
    assert line.startswith("0.yaml:4:5: services.web.networks: ")
    assert (
        f"taskDefinitions:\n{note(done.text)}  # not carried over: {line}\n"
        in done.text
    )


def note(text: str) -> str:
    """The line that tells of reserved memory, which stands before."""
    return next(
        f"{line}\n" for line in text.splitlines() if "memoryReservation:" in line
    )


def test_a_job_that_must_have_ended_is_a_container_of_its_task() -> None:
    made = as_written(
        compose(
            service(
                "depends_on: {migrate: {condition: service_completed_successfully}}",
                "  migrate: {image: m, command: [up], volumes: ['d:/d']}",
            )
        )
    )

    assert [one["serviceName"] for one in made.file["services"]] == ["web"]
    job, web = made.at("taskDefinitions.0.containerDefinitions")
    assert ("migrate", False, ["up"]) == (job["name"], job["essential"], job["command"])
    assert web["dependsOn"] == [{"containerName": "migrate", "condition": "SUCCESS"}]
    assert made.at("taskDefinitions.0.volumes.0.name") == "d"


def test_later_files_lie_over_earlier_ones() -> None:
    made = as_written(
        compose(
            "services: {web: {image: a, command: [x], environment: {A: 1, B: 2}, ports: ['80:80']}}",
            "services: {web: {command: [y], environment: [B=3], ports: ['81:80']}}",
        )
    )

    assert ["y"] == made.at(f"{CONTAINER}.command")
    assert [("A", "1"), ("B", "3")] == [
        (one["name"], one["value"]) for one in made.at(f"{CONTAINER}.environment")
    ]
    assert [80, 81] == [one["port"] for one in made.file["listeners"]]


BASE = "services: {base: {image: b, environment: {A: base}, user: me}}"


def test_a_service_extends_one_of_another_file() -> None:
    text = "services: {web: {extends: {file: base.yaml, service: base}, environment: {B: 1}}}"
    made = as_written(compose(text, text_of={"base.yaml": BASE}.get))

    assert ("b", "me") == (made.at(f"{CONTAINER}.image"), made.at(f"{CONTAINER}.user"))
    assert ["A", "B"] == [one["name"] for one in made.at(f"{CONTAINER}.environment")]


def test_services_that_extend_each_other_end() -> None:
    text = "services: {a: {image: x, extends: b}, b: {image: y, extends: a}}"

    assert "or itself" in " ".join(as_written(compose(text)).told.values())


def test_anchors_and_merge_keys_are_followed() -> None:
    made = as_written(
        compose(
            "x-all: &all {restart: always, user: me}\n"
            "services:\n  web:\n    <<: *all\n    image: a\n"
        )
    )

    assert made.at(f"{CONTAINER}.user") == "me"


def test_a_profile_that_is_on_runs() -> None:
    made = as_written(
        compose(service("profiles: [debug]"), profiles=frozenset({"debug"}))
    )

    assert made.at(f"{SERVICE}.desiredCount") == 1


def test_a_secret_that_is_a_file_is_mounted_where_compose_mounts_it() -> None:
    made = as_written(
        compose(service("secrets: [pw]", "secrets: {pw: {file: ./pw.txt}}"))
    )

    assert made.at(f"{TASK}.volumes.0.host.sourcePath") == "/srv/shop/pw.txt"
    assert made.at(f"{CONTAINER}.mountPoints") == [
        {
            "sourceVolume": "srv-shop-pw-txt",
            "containerPath": "/run/secrets/pw",
            "readOnly": True,
        }
    ]


def test_a_port_on_loopback_keeps_all_listeners_there() -> None:
    """Listeners have one scheme: what was private must not become public."""
    made = as_written(
        compose(
            "services: {a: {image: x, ports: ['80:80']}, b: {image: x, ports: ['127.0.0.1:81:80']}}"
        )
    )

    assert made.at("loadBalancer") is None
    assert "loopback only" in made.told[""]


STACK = """
name: shop
services:
  proxy:
    image: traefik:v3.1
    command:
      - --entrypoints.web.address=:80
      - --entrypoints.web.http.redirections.entrypoint.to=websecure
      - --entrypoints.websecure.address=:443
      - --providers.docker.exposedbydefault=false
      - --log.level=DEBUG
    ports: ["8080:80", "8443:443"]
  web:
    image: shop/web
    expose: ["3000", "9000"]
    labels:
      - traefik.enable=true
      - traefik.http.routers.web.rule=Host(`shop.test`)
      - traefik.http.routers.web.entrypoints=websecure
      - traefik.http.routers.web.tls=true
  api:
    image: shop/api
    labels:
      traefik.enable: "true"
      traefik.http.routers.api.rule: Host(`shop.test`) && PathPrefix(`/api`)
      traefik.http.routers.api.entrypoints: websecure
      traefik.http.routers.api.tls: "true"
      traefik.http.services.api.loadbalancer.server.port: "5000"
      traefik.http.services.api.loadbalancer.healthcheck.path: /up
  hidden:
    image: shop/hidden
    labels: {traefik.http.routers.h.rule: Host(`hidden.test`)}
"""


def test_a_stack_behind_traefik_becomes_services_listeners_and_rules() -> None:
    made = outcome(compose(STACK))

    http, https = made.file["listeners"]
    assert (8080, 8443, "HTTPS") == (http["port"], https["port"], https["protocol"])
    assert [
        {
            "type": "redirect",
            "protocol": "HTTPS",
            "port": "8443",
            "statusCode": "HTTP_301",
        }
    ] == http["defaultActions"]
    assert ["api", "web"] == [
        rule["name"] for rule in https["rules"]
    ]  # the longer rule
    assert {"api": 5000, "web": 3000, "hidden": None} == {
        one["serviceName"]: one.get("loadBalancers", [{}])[0].get("containerPort")
        for one in made.file["services"]
    }
    groups = {one["name"]: one for one in made.file["targetGroups"]}
    assert groups["api"]["healthCheckPath"] == "/up"
    assert "traefik.enable is not true" in made.told["services.hidden"]
    assert made.told["services.proxy.command[4].log.level"] == "is Traefik's own"
