"""One look from outside at all nodes of an instance."""

import shlex
from collections.abc import Iterable

from halab.exams.witness import Finding
from halab.exams.witness.daemons import NEEDED, Daemons, mount_tables
from halab.exams.witness.files import Files
from halab.exams.witness.mounts import covering, parse
from halab.exams.witness.reference import Reference
from halab.instance.instance import Instance
from halab.spec import distros

REINSTALL = {"apt": "apt-get install --reinstall", "dnf": "dnf reinstall"}
RESTART = "end it, and start the cluster of that node again: pcs cluster stop; pcs cluster start"


class Witness:
    """Looks at nodes. It remembers which files were right, so each later look takes a twentieth of a second a node."""

    def __init__(self, instance: Instance) -> None:
        self._reinstall = REINSTALL[distros.load(instance.state.distro).package_manager]
        self._outside = outside = instance.provider.outside()
        references = {tools: Reference(tools) for tools in {seen.tools for seen in outside.values()}}
        self._files = {node: Files(seen.upper, seen.lower, references[seen.tools]) for node, seen in outside.items()}
        self._daemons = {node: Daemons(references[seen.tools]) for node, seen in outside.items()}
        self._genuine: dict[str, frozenset[str]] = {}

    @property
    def sees(self) -> bool:
        """Whether the host can look into nodes at all."""
        return bool(self._files)

    def look(self) -> list[Finding]:
        """Return what on the nodes is not what its package contains. Return none where the host cannot look inside."""
        found: list[Finding] = []
        for node, files in self._files.items():
            for path, judgement in files.look().items():
                back = (
                    f"{self._reinstall} {judgement.package}" if judgement.package else f"rm {shlex.quote(f'/{path}')}"
                )
                found.append(Finding(node, f"/{path}", judgement.wrong, back))
        return [*found, *self._running()]

    def without_cluster(self, members: Iterable[str]) -> list[Finding]:
        """Return a finding for each daemon of the cluster that does not run on a node that is said to be a member."""
        self._running()
        wrong = "does not run, though the node is said to be a member"
        return [
            Finding(node, name, wrong, "pcs cluster stop; pcs cluster start")
            for node in members
            if node in self._genuine
            for name in NEEDED
            if name not in self._genuine[node]
        ]

    def without_daemons(self) -> frozenset[str]:
        """Return the nodes on which the cluster did not run at the last look."""
        return frozenset(node for node, names in self._genuine.items() if not names.issuperset(NEEDED))

    def _running(self) -> list[Finding]:
        found: list[Finding] = []
        self._genuine = {}
        for node, seen in self._outside.items():
            first = seen.first_process()
            if first is None:
                continue
            wrong, self._genuine[node] = self._daemons[node].look(first)
            found += [Finding(node, name, fault, RESTART) for name, fault in wrong.items()]
            for table in mount_tables(first, self._daemons[node].called):
                for path, judgement in covering(parse(table)).items():
                    found.append(Finding(node, f"/{path}", judgement.wrong, f"umount /{path}"))
        return list(dict.fromkeys(found))
