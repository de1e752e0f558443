"""A Slurm cluster on this machine, of two nodes, for the time of some tests.

It listens on the loopback interface only, keeps everything in one folder, and needs neither munge
nor systemd nor cgroups; Debian's package ``slurm-wlm`` has all of it. The daemons must be root's.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

NODES, CPUS = 2, 2
DAEMONS = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
CONFIGURATION = """\
ClusterName=loop
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
AuthInfo=cred_expire=5
SlurmctldPort={control}
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/control
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/control.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/control.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
MinJobAge=3600
KillWait=10
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cpus}
PartitionName=main Nodes=n[1-{nodes}] Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str | None:
    """Why no cluster can be started here; None if one can."""
    missing = [name for name in DAEMONS if shutil.which(name) is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)} missing): apt-get install slurm-wlm"
    if os.geteuid() != 0:
        return "a Slurm cluster of this kind is started by root"
    return None


class Cluster:
    """A running cluster; :attr:`environment` makes Slurm's commands speak to it."""

    def __init__(self, configuration: Path) -> None:
        self.environment = {**os.environ, "SLURM_CONF": str(configuration)}

    def __call__(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    def queue(self) -> dict[str, tuple[str, str]]:
        """Number and state of each job in the queue, by its name."""
        lines = self("squeue", "--noheader", "--format=%j %A %T").splitlines()
        jobs = (line.split() for line in lines)
        return {name: (number, state) for name, number, state in jobs}


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster that keeps everything below ``folder``, and end it after the block."""
    control = _free_ports(NODES + 1)
    configuration = folder / "slurm.conf"
    text = CONFIGURATION.format(
        host=socket.gethostname(), folder=folder, nodes=NODES, cpus=CPUS,
        control=control, first=control + 1, last=control + NODES,
    )  # fmt: skip
    configuration.write_text(text)
    (folder / "control").mkdir()
    cluster = Cluster(configuration)
    commands = [["slurmctld", "-D", "-c"]]
    commands += [["slurmd", "-D", "-N", f"n{number + 1}"] for number in range(NODES)]
    with ExitStack() as daemons:
        for command in commands:
            daemons.enter_context(_running(command, cluster.environment))
        wait_for(lambda: _idle_nodes(cluster) == NODES, 30)
        yield cluster
        cluster("scancel", "--full", "--signal=KILL", "--user=root")


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=environment, **quiet) as process:
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _idle_nodes(cluster: Cluster) -> int:
    try:
        return cluster("sinfo", "--noheader", "-N", "--format=%T").split().count("idle")
    except subprocess.CalledProcessError:  # it is not there yet
        return 0


def _free_ports(number: int) -> int:
    """The first of ``number`` ports in a row that nothing listens on."""
    for first in range(21_000, 32_000, 50):
        try:
            with ExitStack() as sockets:
                for port in range(first, first + number):
                    taken = sockets.enter_context(socket.socket())
                    taken.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError("no free ports")


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It did not, in that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it does not hold after {seconds} s")
        time.sleep(0.1)
