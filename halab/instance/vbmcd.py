"""The process behind all BMCs of an instance on virtual machines.

Run as `python -m halab.instance.vbmcd INSTANCE`, on the instance's workstation.

It is VirtualBMC's own vbmcd, with a configuration of this instance's. Its BMCs, each a process of its own, write the
same event log as those of containers do, and can do a power cycle, which VirtualBMC's cannot. It takes no commands:
VirtualBMC would take them from anybody on the workstation, and one of them names a program that libvirt runs as root.
"""

import configparser
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from halab.instance.bmc import EventLog
from halab.instance.instance import Instance
from halab.instance.power_on_due import PowerOnDue
from halab.providers.vagrant.libvirtd import URI
from halab.providers.vagrant.vagrantfile import Names

PERIOD = 3  # seconds, as VirtualBMC has it


def configure(instance: Instance) -> Path:
    """Write vbmcd's configuration anew, one folder a BMC; return its main file."""
    place = instance.directory / "bmc" / "vbmcd"
    shutil.rmtree(place, ignore_errors=True)  # with the pid of a vbmcd that was killed
    account, names = instance.spec.credentials, Names.of(instance.directory)
    for node in instance.spec.nodes:
        domain = names.domain(node.name)
        _write(
            place / "machines" / domain / "config",
            VirtualBMC={
                "username": account.bmc_user,
                "password": instance.bmc_password(node.name),
                "address": str(node.bmc),
                "port": "623",
                "domain_name": domain,
                "libvirt_uri": URI,
                "active": "True",
            },
        )
    _write(
        place / "virtualbmc.conf",
        default={"config_dir": str(place / "machines"), "pid_file": str(place / "vbmcd.pid")},
        log={"logfile": str(instance.directory / "bmc" / "vbmcd.log"), "debug": "True"},
    )
    return place / "virtualbmc.conf"


def main(instance_name: str) -> int:
    instance = Instance.open(instance_name)
    os.environ["VIRTUALBMC_CONFIG"] = str(configure(instance))  # read when virtualbmc is imported
    from virtualbmc import control, manager, vbmc
    from virtualbmc.cmd import vbmcd

    names = Names.of(instance.directory)
    nodes = {names.domain(node.name): node.name for node in instance.spec.nodes}

    class WitnessedBMC(EventLog, vbmc.VirtualBMC):  # type: ignore[misc]
        def __init__(self, **config: Any) -> None:
            self.event_log = instance.bmc_log(nodes[config["domain_name"]])
            self._due = PowerOnDue(self.event_log)
            super().__init__(**config)
            if self._due.left() is not None:  # the one before was ended in the middle of a power cycle
                self.power_on()
                self._due.forget()

        def power_cycle(self) -> Any:
            self._due.accept(0)
            refused = self.power_off() or self.power_on()
            self._due.forget()
            return refused

    manager.VirtualBMC = WitnessedBMC
    control.main_loop = keep_running
    multiprocessing.set_start_method("fork")  # so that the processes of the BMCs have this class, and not VirtualBMC's
    return int(vbmcd.main(["--foreground"]) or 0)


def keep_running(bmcs: Any, answer: Callable[..., Any]) -> None:
    """Start each BMC again that has ended, for ever, and take no commands."""
    while True:
        time.sleep(PERIOD)
        bmcs.periodic()


def _write(path: Path, **sections: dict[str, str]) -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(sections)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        parser.write(file)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
