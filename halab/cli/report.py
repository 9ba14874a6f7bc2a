"""What a command found: tables and sentences for people, or a JSON document for programs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from halab.cli import exam_tables
from halab.cli.outcomes import marked
from halab.cli.proof_tables import matrices
from halab.cli.selection import Selection, default_provider
from halab.cli.status import as_data, limits_met, why_off
from halab.cli.terminal import Terminal, dump
from halab.exams.draw import paper_of
from halab.exams.reports import marks
from halab.instance.state import read_state

if TYPE_CHECKING:  # every command prints, and none should wait for all that another one prints
    from halab.authoring.lint import Findings
    from halab.cli.status import StatusReport
    from halab.exams.attempts import Learner
    from halab.faults import Fault
    from halab.instance.instance import Instance
    from halab.instance.state import InjectedFault
    from halab.proof import Proof
    from halab.spec import labs
    from halab.spec.labs import Step
    from halab.walk.checkpoints import Checkpoint
    from halab.walk.show import Entry


class Report:
    """Prints what was looked up. Colours only on a terminal."""

    def __init__(self, as_json: bool = False) -> None:
        self._json = as_json
        self._out = Terminal.on(sys.stderr if as_json else sys.stdout)

    def say(self, text: str) -> None:
        self._out.print(escape(text))

    def selection(self, selection: Selection) -> None:
        from halab.instance.instance import instances_dir

        state = read_state(instances_dir() / selection.instance_name)
        provider, why = (state.provider if state else selection.provider), ""
        if provider is None:
            provider, reason = default_provider()
            why = f" (chosen because {reason})"
        chosen: dict[str, Any] = {
            "lab": selection.lab,
            "instance": selection.instance_name,
            "provider": provider,
            "distro": state.distro if state else selection.distro,
            "nodes": len(state.spec.nodes) if state else selection.nodes,
            "up": state is not None,
        }
        if self._json:
            dump(chosen)
            return
        shape = [f"{key} {chosen[key]}" for key in ("provider", "distro", "nodes") if chosen[key] is not None]
        self.say(f"Lab {selection.lab}, instance {selection.instance_name} on {', '.join(shape)}{why}")

    def status(self, report: StatusReport) -> None:
        found = as_data(report)
        if self._json:
            dump(found)
            return
        self._out.print(
            f"[bold]{report.instance.name}[/]: lab {found['lab']} on {found['provider']}, {found['distro']}"
        )
        for fault in report.instance.state.faults:
            self.say(f"[broken on purpose] {fault.words}: inv heal")
        nodes = _table("Node", "Address", "Power", "BMC", "Member")
        for node in found["nodes"]:
            nodes.add_row(node["name"], node["lan"], node["power"], node["bmc"], node["member"])
        self._out.print(nodes)
        for sentence in (*why_off(report), *limits_met(report)):
            self._out.print(f"[yellow]{escape(sentence)}.[/]")
        steps = _table("Step", "Result", "Title")
        for step in found["steps"]:
            steps.add_row(step["name"], marked(step["outcome"]), escape(step["title"]))
        self._out.print(steps)
        if report.cluster is None:
            self.say(f"No cluster: {report.reason}")
            return
        resources = _table("Resource", "Agent", "Role", "Node")
        for item in found["resources"]:
            roles = {node: item["roles"].get(node, item["role"]) for node in item["nodes"]}
            for role in dict.fromkeys(roles.values() or [item["role"]]):  # those of a promotable clone are two
                where = ", ".join(node for node, its in roles.items() if its == role)
                resources.add_row(*map(escape, (item["id"], item["agent"], role, where)))
        if report.cluster.resources:
            self._out.print(resources)
        quorum, fencing = "yes" if report.cluster.quorate else "NO", "on" if report.cluster.fencing else "OFF"
        self.say(f"Quorum: {quorum}. Fencing: {fencing}.")
        self.say(f"VIP {found['vip']['address']} answers from: {', '.join(report.vip_owners) or 'no node'}.")
        if report.cluster.resources and not report.vip_resources:
            self.say(f"No resource has the VIP's address, {found['vip']['address']}.")

    def step(self, step: Step, entries: list[Entry]) -> None:
        if self._json:
            found = [dataclasses.asdict(entry) for entry in entries]
            dump({"step": step.name, "title": step.title, "prose": step.prose, "entries": found})
            return
        self._out.print(f"[bold]{step.name}: {escape(step.title)}[/]\n\n{escape(step.prose)}\n")
        where = ""
        for entry in (entry for entry in entries if entry.kind == "command"):
            if entry.where != where:
                where = entry.where
                self._out.print(f"[bold]On {where}:[/]")
            self._out.print(f"    {escape(entry.text)}")
            for answer in entry.answers:
                self._out.print(f"    [dim](at its prompt: {escape(answer)})[/]")
        self._out.print("\n[bold]Then these must hold:[/]")
        for entry in (entry for entry in entries if entry.kind == "check"):
            self._out.print(f"  - {escape(entry.text)}")

    def checkpoints(self, found: list[Checkpoint]) -> None:
        if self._json:
            dump([{"name": point.name, "at": point.at} for point in found])
            return
        for point in found:
            self.say(f"{point.at:%F %T}  {point.name}")

    def labs(self, found: list[tuple[labs.Entry, str | None]]) -> None:
        """Print each lab, and what keeps it from running here."""
        if self._json:
            dump(
                [
                    {
                        "name": lab.name,
                        "title": lab.title or None,
                        "continues": lab.continues,
                        "steps": list(lab.steps),
                        "obstacle": obstacle,
                    }
                    for lab, obstacle in found
                ]
            )
            return
        for lab, obstacle in found:
            if lab.broken:
                self.say(f"{lab.name}: it is broken: {lab.broken}")
                continue
            self.say(f"{lab.name}: {lab.title} ({', '.join(lab.steps)})")
            if obstacle:
                self.say(f"    cannot run here: {obstacle}")

    def problems(self, found: list[str], not_limited: Sequence[str] = ()) -> None:
        if self._json:
            dump({"problems": found, "not_limited": list(not_limited)})
            return
        for sentence in (*(found or ["Nothing keeps labs from running here."]), *not_limited):
            self.say(sentence)

    def findings(self, found: Findings) -> None:
        if self._json:
            dump(dataclasses.asdict(found))
            return
        for line in (*found.problems, *found.notes):
            self.say(line)
        if not found.problems:
            self.say("Nothing is wrong.")

    def all_faults(self, known: list[Fault], injected: Sequence[InjectedFault]) -> None:
        now = {fault.name: [there.node for there in injected if there.name == fault.name] for fault in known}
        if self._json:
            dump(
                [
                    {"name": fault.name, "does": fault.does, "options": fault.options, "injected": now[fault.name]}
                    for fault in known
                ]
            )
            return
        table = _table("Fault", "What it does", "Options", "Injected")
        for fault in known:
            options = " ".join(f"--{name} {value!r}" for name, value in fault.options.items())
            where = ", ".join(node or "all nodes" for node in now[fault.name])
            table.add_row(fault.name, escape(fault.does), escape(options), where)
        self._out.print(table)

    def proof(self, proof: Proof) -> None:
        if self._json:
            cells = [dataclasses.asdict(cell) for cell in proof.cells]
            dump({"lab": proof.lab, "cells": cells, "unproven": proof.unproven})
            return
        for matrix in matrices(proof):
            self._out.print(matrix)
        for part, sentence in proof.unproven:
            self.say(f"Unproven, as no wrong solution fails it: {part}: {sentence}")

    def task_text(self, instance: Instance) -> None:
        """Print what the learner of an exam is to do."""
        from rich.markdown import Markdown

        from halab.exams import text

        paper = paper_of(instance.folder)
        self._out.print(Markdown(text.render(instance)))
        for task in paper.file.tasks:
            self._out.print(f"  {task.points:>3} points   {escape(task.title)}")
        self.say(
            f"\n{paper.file.points} points, {paper.file.pass_mark} per cent to pass, {paper.file.minutes} minutes."
        )

    def marks(self, learners: Sequence[Learner], tasks: Sequence[str]) -> None:
        if self._json:
            dump(marks.as_data(learners, tasks))
            return
        self._out.print(exam_tables.class_table(learners, tasks))


def _table(*headings: str) -> Table:
    """Return a table that folds what is too wide for the terminal, and leaves nothing out."""
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
