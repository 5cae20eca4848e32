"""Task definitions of several containers: what arrives, and what is told.

Each row puts a field into the second of three containers, or into the task; the
sentence that is then printed has its place. Sources of the rules: ECS API reference,
RegisterTaskDefinition and ContainerDefinition.
"""

import pytest

from controlplane.cluster_file import load
from controlplane.cluster_file.fields.containers import CONTAINER
from controlplane.cluster_file.kinds import Shape
from controlplane.problems import ConfigInvalid
from scheduler.definition import (
    Condition,
    ContainerDefinition,
    ContainerHealthCheck,
    Dependency,
    Device,
    DockerVolume,
    LinuxParameters,
    LogConfiguration,
    MountPoint,
    NetworkMode,
    PortMapping,
    RestartPolicy,
    Tmpfs,
    Ulimit,
    Volume,
    VolumeFrom,
)
from scheduler.model import TaskDefinition

FILE = """\
taskDefinitions:
  - family: shop
{task}    containerDefinitions:
      - {{name: db, image: i, memory: 64, essential: false{db}}}
      - name: web
        image: i
        memory: 64
{web}      - {{name: cache, image: i, memory: 64, healthCheck: {{command: [CMD, x]}}}}
{file}"""

LINE_OF_TASK, LINE_OF_DB, LINE_OF_WEB = 3, 4, 8
TASK, DB = "taskDefinitions[0]", "taskDefinitions[0].containerDefinitions[0]"
WEB = "taskDefinitions[0].containerDefinitions[1]"


def text_of(*, task: str = "", db: str = "", web: str = "", file: str = "") -> str:
    return FILE.format(
        task=f"    {task}\n" if task else "",
        db=f", {db}" if db else "",
        web=f"        {web}\n" if web else "",
        file=f"{file}\n" if file else "",
    )


def loaded(**parts: str) -> TaskDefinition:
    return load("f", text_of(**parts), {}).task_definitions["shop"]


def web(fields: str, **parts: str) -> ContainerDefinition:
    return loaded(web=fields, **parts).containers[1]


# fmt: off
VALUES: list[tuple[str, str, object, str]] = [
    ("dependsOn: [{containerName: db, condition: SUCCESS}]", "depends_on",
     (Dependency("db", Condition.SUCCESS),), "a dependency"),
    ("healthCheck: {command: [CMD-SHELL, curl -f localhost]}", "health_check",
     ContainerHealthCheck(("CMD-SHELL", "curl -f localhost"), 30.0, 5.0, 3, 0.0),
     "a health check has ECS's defaults"),
    ("restartPolicy: {enabled: true, ignoredExitCodes: [0, 3]}", "restart_policy",
     RestartPolicy((0, 3), 300.0), "a restart policy"),
    ("restartPolicy: {enabled: false}", "restart_policy", None, "one that is off"),
    ("startTimeout: 90", "start_timeout_s", 90.0, "how long others wait"),
    ('links: [db, "cache:c"]', "links", ("db", "cache:c"), "links"),
    ("hostname: shop-1", "hostname", "shop-1", "a host name"),
    ("extraHosts: [{hostname: a, ipAddress: 10.0.0.1}]", "extra_hosts",
     (("a", "10.0.0.1"),), "a host more"),
    ("dnsServers: [10.0.0.2]", "dns_servers", ("10.0.0.2",), "a name server"),
    ("dnsSearchDomains: [a.test]", "dns_search_domains", ("a.test",), "a domain"),
    ("environmentFiles: [{type: s3, value: file://a.env}]", "environment_files",
     ("file://a.env",), "a file of variables"),
    ("secrets: [{name: A, valueFrom: file:///run/a}]", "secrets",
     (("A", "file:///run/a"),), "a secret is where it is, not what"),
    ("volumesFrom: [{sourceContainer: db, readOnly: true}]", "volumes_from",
     (VolumeFrom("db", read_only=True),), "another's volumes"),
    ("logConfiguration: {logDriver: gelf, options: {gelf-address: u},"
     " secretOptions: [{name: t, valueFrom: file://t}]}", "log_configuration",
     LogConfiguration("gelf", (("gelf-address", "u"),), (("t", "file://t"),)), "logs"),
    ("ulimits: [{name: nofile, softLimit: 1, hardLimit: -1}]", "ulimits",
     (Ulimit("nofile", 1, -1),), "a limit without end"),
    ("systemControls: [{namespace: net.core.somaxconn, value: 9}]", "system_controls",
     (("net.core.somaxconn", "9"),), "a kernel setting is a text"),
    ("linuxParameters: {capabilities: {add: [NET_ADMIN], drop: [CHOWN]},"
     " tmpfs: [{containerPath: /t, size: 4, mountOptions: [noexec]}],"
     " sharedMemorySize: 8, initProcessEnabled: true, maxSwap: 0, swappiness: 5}",
     "linux_parameters",
     LinuxParameters(("NET_ADMIN",), ("CHOWN",), (), True, 8,  # noqa: FBT003
                     (Tmpfs("/t", 4, ("noexec",)),), 0, 5), "Linux"),
    ("portMappings: [{containerPortRange: 8000-8010, protocol: udp, name: n}]",
     "port_mappings", (PortMapping(8000, 0, "udp", "n", "", 8010),), "a range"),
    ("repositoryCredentials: {credentialsParameter: file://r}",
     "repository_credentials", "file://r", "a registry's user"),
    ("dockerSecurityOptions: [no-new-privileges, apparmor:mine]",
     "docker_security_options", ("no-new-privileges", "apparmor:mine"), "security"),
    ("readonlyRootFilesystem: true", "readonly_root_filesystem", True, "read only"),
    ("pseudoTerminal: true", "pseudo_terminal", True, "a terminal"),
    ("interactive: true", "interactive", True, "an input"),
    ("disableNetworking: true", "disable_networking", True, "no network"),
]
# fmt: on


@pytest.mark.parametrize(
    ("fields", "name", "value"), [r[:3] for r in VALUES], ids=[r[3] for r in VALUES]
)
def test_a_field_arrives(fields: str, name: str, value: object) -> None:
    assert value == getattr(web(fields), name)


def test_volumes_and_modes_of_a_task_arrive() -> None:
    volumes = (
        "volumes: [{name: a}, {name: b, host: {}}, {name: c, host: {sourcePath: /srv}},"
        " {name: d, dockerVolumeConfiguration: {scope: shared, autoprovision: true,"
        " driver: nfs, driverOpts: {o: x}, labels: {k: v}}}]"
    )
    found = loaded(
        task=volumes
        + "\n    networkMode: awsvpc\n    pidMode: task\n    ipcMode: none",
        web="mountPoints: [{sourceVolume: a, containerPath: /a, readOnly: true}]",
        file="allowHostPaths: true",
    )

    shared = DockerVolume(True, True, "nfs", (("o", "x"),), (("k", "v"),))  # noqa: FBT003
    assert found.volumes == (
        Volume("a"),
        Volume("b"),
        Volume("c", "/srv"),
        Volume("d", "", shared),
    )
    assert (NetworkMode.AWSVPC, "task", "none") == (
        found.network_mode,
        found.pid_mode,
        found.ipc_mode,
    )
    assert (MountPoint("a", "/a", read_only=True),) == found.containers[1].mount_points


def test_what_the_file_allows_arrives() -> None:
    found = web(
        "{fields}".format(
            fields="privileged: true\n        linuxParameters: {devices:"
            " [{hostPath: /dev/a, permissions: [read]}], capabilities: {add: [ALL]}}"
        ),
        file="allowPrivileged: true",
    )

    assert found.privileged
    assert found.linux_parameters is not None
    assert (Device("/dev/a", "/dev/a", ("read",)),) == found.linux_parameters.devices


@pytest.mark.parametrize(
    ("mode", "host_port"), [("bridge", 0), ("host", 8080), ("awsvpc", 0)]
)
def test_in_the_hosts_network_a_port_is_the_hosts(mode: str, host_port: int) -> None:
    found = web(
        "portMappings: [{containerPort: 8080}]",
        task=f"networkMode: {mode}",
        file="allowPrivileged: true",
    )

    assert (PortMapping(8080, host_port),) == found.port_mappings


# fmt: off
MISTAKES = [
    # (where, fields, line:column: message)
    ("web", "links: [dbb]",
     f'8:17: {WEB}.links[0]: no container named "dbb"; did you mean "db"?', "link"),
    ("web", "links: [web]", f"8:17: {WEB}.links[0]: is this container itself", "own link"),
    ("web", "dependsOn: [{containerName: dbb, condition: START}]",
     f'8:37: {WEB}.dependsOn[0].containerName: no container named "dbb"; did you mean "db"?',
     "dependency"),
    ("web", "dependsOn: [{containerName: web, condition: START}]",
     f"8:37: {WEB}.dependsOn[0].containerName: is this container itself", "own dependency"),
    ("web", "dependsOn: [{containerName: db, condition: HEALTHY}]",
     f'8:52: {WEB}.dependsOn[0].condition: "db" has no healthCheck to be HEALTHY by',
     "healthy by what"),
    ("web", "dependsOn: [{containerName: cache, condition: SUCCESS}]",
     f'8:55: {WEB}.dependsOn[0].condition: "cache" is essential: when it ends, the task ends',
     "the end of an essential container"),
    ("web", "dependsOn: [{containerName: db, condition: DONE}]",
     f"8:52: {WEB}.dependsOn[0].condition: must be START, COMPLETE, SUCCESS or HEALTHY (got DONE)",
     "a condition that is none"),
    ("web", "volumesFrom: [{sourceContainer: nobody}]",
     f'8:41: {WEB}.volumesFrom[0].sourceContainer: no container named "nobody"', "volumes of nobody"),
    ("web", "mountPoints: [{sourceVolume: v, containerPath: /v}]",
     f'8:38: {WEB}.mountPoints[0].sourceVolume: no volume named "v" in shop', "no such volume"),
    ("web", "mountPoints: [{sourceVolume: v, containerPath: v}]",
     f'8:38: {WEB}.mountPoints[0].sourceVolume: no volume named "v" in shop\n'
     f"8:56: {WEB}.mountPoints[0].containerPath: must be an absolute path (got v)", "a relative path"),
    ("web", "healthCheck: {command: [curl, localhost]}",
     f"8:32: {WEB}.healthCheck.command: must begin with CMD or CMD-SHELL (got curl)", "a bare command"),
    ("web", "healthCheck: {command: [CMD-SHELL, curl, x]}",
     f"8:32: {WEB}.healthCheck.command: needs one line after CMD-SHELL", "a shell has one line"),
    ("web", "healthCheck: {command: [CMD]}",
     f"8:32: {WEB}.healthCheck.command: needs a command after CMD", "nothing to run"),
    ("web", "healthCheck: {command: [CMD, x], retries: 11}",
     f"8:51: {WEB}.healthCheck.retries: must be 1-10 (got 11)", "too many tries"),
    ("web", "ulimits: [{name: nofile, softLimit: 9, hardLimit: 3}]",
     f"8:45: {WEB}.ulimits[0].softLimit: must be at most hardLimit, 3 (got 9)", "a soft limit above"),
    ("web", "extraHosts: [{hostname: a, ipAddress: b}]",
     f"8:47: {WEB}.extraHosts[0].ipAddress: must be an IP address (got b)", "a host's address"),
    ("web", "dnsServers: [a.test]",
     f"8:22: {WEB}.dnsServers[0]: must be an IP address (got a.test)", "a name server by name"),
    ("web", "secrets: [{name: A, valueFrom: 'arn:aws:ssm:eu-west-1:1:parameter/a'}]",
     f"8:40: {WEB}.secrets[0].valueFrom: must be file://PATH: what is in AWS is not reached"
     " from here (got arn:aws:ssm:eu-west-1:1:parameter/a)", "a secret of AWS"),
    ("web", "secrets: [{name: A, valueFrom: 'file://a'}]\n        environment: [{name: A, value: b}]",
     f'8:26: {WEB}.secrets[0].name: A is already used by {WEB}.environment[0]', "a secret variable twice"),
    ("web", "portMappings: [{containerPort: 53}, {containerPort: 53, protocol: udp}]",
     f"8:61: {WEB}.portMappings[1].containerPort: 53 is already used by {WEB}.portMappings[0]",
     "one port on two protocols"),
    ("web", "portMappings: [{containerPortRange: 80-90}, {containerPort: 85}]",
     f"8:69: {WEB}.portMappings[1].containerPort: 85 is already used by {WEB}.portMappings[0]",
     "a port of a range"),
    ("web", "portMappings: [{containerPortRange: 90-80}]",
     f"8:45: {WEB}.portMappings[0].containerPortRange: must lie in 1-65535, the lower first",
     "a range upside down"),
    ("web", "portMappings: [{containerPortRange: 80-90, hostPort: 80}]",
     f"8:62: {WEB}.portMappings[0].hostPort: of a range is chosen: leave it out", "the host port of a range"),
    ("web", "portMappings: [{hostPort: 80}]",
     f"8:24: {WEB}.portMappings[0]: containerPort is missing", "no port"),
    ("web", "portMappings: [{containerPort: 80, containerPortRange: 80-90}]",
     f"8:24: {WEB}.portMappings[0]: has containerPort and containerPortRange: one of them", "both"),
    ("web", "linuxParameters: {maxSwap: 5}\n        memoryReservation: 6",
     "", "swap beyond memory"),
    ("web", "privileged: true",
     f"8:21: {WEB}.privileged: needs allowPrivileged: true in the file", "privileged"),
    ("web", "linuxParameters: {devices: [{hostPath: /dev/a}]}",
     f"8:36: {WEB}.linuxParameters.devices: needs allowPrivileged: true in the file", "a device"),
    ("web", "linuxParameters: {capabilities: {add: [CAP_SYS_ADMIN]}}",
     f"8:47: {WEB}.linuxParameters.capabilities.add: SYS_ADMIN needs allowPrivileged: true in the file",
     "a capability that reaches the host"),
    ("web", "dockerSecurityOptions: [apparmor:unconfined]",
     f"8:32: {WEB}.dockerSecurityOptions: needs allowPrivileged: true in the file", "unconfined"),
    ("web", "dockerSecurityOptions: [seccomp=unconfined]",
     f"8:33: {WEB}.dockerSecurityOptions[0]: must be no-new-privileges, apparmor:PROFILE or"
     " label:VALUE (got seccomp=unconfined)", "an option that ECS does not have"),
    ("task", "networkMode: host",
     f"3:18: {TASK}.networkMode: needs allowPrivileged: true in the file", "the host's network"),
    ("task", "pidMode: host", f"3:14: {TASK}.pidMode: needs allowPrivileged: true in the file",
     "the host's processes"),
    ("task", "ipcMode: host", f"3:14: {TASK}.ipcMode: needs allowPrivileged: true in the file",
     "the host's IPC"),
    ("task", "volumes: [{name: a, host: {sourcePath: /srv}}]",
     f"3:44: {TASK}.volumes[0].host.sourcePath: needs allowHostPaths: true in the file",
     "a path of the host"),
    ("task", "volumes: [{name: a, dockerVolumeConfiguration: {driverOpts: {device: /srv}}}]",
     f"3:65: {TASK}.volumes[0].dockerVolumeConfiguration.driverOpts: needs allowHostPaths: true"
     " in the file", "a path of the host by a driver"),
    ("task", "volumes: [{name: a}, {name: a}]",
     f"3:33: {TASK}.volumes[1].name: a is already used by {TASK}.volumes[0]", "a volume twice"),
    ("task", "volumes: [{name: a, host: {}, dockerVolumeConfiguration: {}}]",
     f"3:15: {TASK}.volumes[0]: has host and dockerVolumeConfiguration: one of them", "a volume of two kinds"),
    ("task", "volumes: [{name: a, dockerVolumeConfiguration: {autoprovision: true}}]",
     f"3:68: {TASK}.volumes[0].dockerVolumeConfiguration.autoprovision: is for volumes of scope"
     " shared; one of a task is always made", "a task's volume is made anyway"),
    ("task", "volumes: [{name: a, efsVolumeConfiguration: {fileSystemId: x}}]",
     f"3:25: {TASK}.volumes[0].efsVolumeConfiguration: is not built yet", "a volume of AWS"),
    ("task", "memory: 128",
     f"3:13: {TASK}.memory: must be at least what its containers have together, 192 (got 128)",
     "more than the task has"),
    ("db", "dependsOn: [{containerName: web, condition: START}], links: [cache]", "", "no circle"),
]
IN_A_MODE = [
    ("awsvpc", "hostname: a", "9:19: {}.hostname: belongs to the network of the task: networkMode is awsvpc"),
    ("awsvpc", "extraHosts: [{hostname: a, ipAddress: 10.0.0.1}]",
     "9:21: {}.extraHosts: belongs to the network of the task: networkMode is awsvpc"),
    ("awsvpc", "links: [db]", "9:16: {}.links: need networkMode bridge (it is awsvpc)"),
    ("host", "links: [db]", "9:16: {}.links: need networkMode bridge (it is host)"),
    ("none", "portMappings: [{containerPort: 80}]",
     "9:23: {}.portMappings: needs a network; networkMode is none"),
    ("host", "portMappings: [{containerPort: 80, hostPort: 81}]",
     "9:54: {}.portMappings[0].hostPort: must be the containerPort or left out, as networkMode is host (got 81)"),
    ("awsvpc", "portMappings: [{containerPort: 80, hostPort: 81}]",
     "9:54: {}.portMappings[0].hostPort: must be the containerPort or left out, as networkMode is awsvpc (got 81)"),
]
# fmt: on


def told(**parts: str) -> list[str]:
    try:
        load("f", text_of(**parts), {})
    except ConfigInvalid as invalid:
        return [problem.at("f").removeprefix("f:") for problem in invalid.problems]
    return []


@pytest.mark.parametrize(
    ("where", "fields", "lines"),
    [row[:3] for row in MISTAKES],
    ids=[row[3] for row in MISTAKES],
)
def test_a_mistake_is_told_in_these_words(where: str, fields: str, lines: str) -> None:
    assert lines.splitlines() == told(**{where: fields})


@pytest.mark.parametrize(
    ("mode", "fields", "line"), IN_A_MODE, ids=[f"{r[0]} {r[1]}" for r in IN_A_MODE]
)
def test_what_a_network_mode_excludes(mode: str, fields: str, line: str) -> None:
    found = told(task=f"networkMode: {mode}", web=fields, file="allowPrivileged: true")

    assert [line.format(WEB)] == found


def test_a_circle_is_told_once_with_its_way() -> None:
    found = told(
        db="dependsOn: [{containerName: web, condition: START}]",
        web="volumesFrom: [{sourceContainer: db}]",
    )

    assert [f"4:71: {DB}.dependsOn: waits for itself: db -> web -> db"] == found


def test_one_port_of_the_tasks_address_has_one_listener() -> None:
    found = told(
        task="networkMode: awsvpc",
        db="portMappings: [{containerPort: 80}]",
        web="portMappings: [{containerPort: 80}]",
    )

    assert [
        f'9:40: {WEB}.portMappings[0].containerPort: "db" listens there; '
        "networkMode is awsvpc"
    ] == found


# fmt: off
BEYOND_PROCESSES = {
    "user": "nobody", "links": "[db]", "hostname": "a", "dnsServers": "[10.0.0.1]",
    "dnsSearchDomains": "[a]", "extraHosts": "[{hostname: a, ipAddress: 10.0.0.1}]",
    "disableNetworking": "true", "readonlyRootFilesystem": "true",
    "volumesFrom": "[{sourceContainer: db}]", "pseudoTerminal": "true",
    "dockerSecurityOptions": "[no-new-privileges]", "interactive": "true",
    "ulimits": "[{name: nofile, softLimit: 1, hardLimit: 1}]",
    "systemControls": "[{namespace: a.b, value: 1}]",
    "healthCheck": "{command: [CMD, x]}", "restartPolicy": "{enabled: true}",
    "logConfiguration": "{logDriver: syslog}",
    "linuxParameters": "{sharedMemorySize: 1}",
}
# fmt: on
PROCESS = "containerInstances: [{name: a, runtime: process}]"
ONE = "taskDefinitions: [{family: f, containerDefinitions: [{name: c, command: [x], memory: 6"


@pytest.mark.parametrize("field", BEYOND_PROCESSES)
def test_what_a_process_cannot_have_is_told(field: str) -> None:
    text = f"{PROCESS}\n{ONE}, {field}: {BEYOND_PROCESSES[field]}}}, {{name: db, command: [x], memory: 6}}]}}]\n"

    with pytest.raises(ConfigInvalid) as invalid:
        load("f", text, {})

    (problem,) = invalid.value.problems
    assert f"taskDefinitions[0].containerDefinitions[0].{field}" == problem.path
    assert problem.message.endswith("(an instance's runtime is process)")


def test_every_field_is_looked_into_or_says_why_not() -> None:
    """What is neither live nor AWS's own stands in no row above."""
    assert isinstance(CONTAINER, Shape)
    left = {
        name for name, field in CONTAINER.fields.items() if field.status.value != "live"
    }

    assert {
        "resourceRequirements", "credentialSpecs", "firelensConfiguration",
    } == left  # fmt: skip
