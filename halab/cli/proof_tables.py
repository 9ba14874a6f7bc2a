"""What the terminal shows of a proof, in rich's markup: a line for each cell, and the matrix."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from halab.proof import Cell, Proof


def cell_line(cell: Cell) -> str:
    """Return a line for a cell. One that is not as it should be also tells what was seen."""
    good = "[green]as it should be[/]" if cell.good else f"[red]not as it should be[/]\n    {escape(cell.seen)}"
    return f"{cell.part}: {escape(cell.solution)}: {escape(cell.sentence)}: {cell.outcome}, {good}"


def matrices(proof: Proof) -> Iterator[Table]:
    """Return a matrix for each step, or draw: what each check said of each solution, in red where it is wrong."""
    for part in dict.fromkeys(cell.part for cell in proof.cells):
        cells = {(cell.solution, cell.sentence): cell for cell in proof.cells if cell.part == part}
        solutions = dict.fromkeys(solution for solution, _ in cells)
        table = Table(title=part, title_justify="left")
        table.add_column("Check")
        for solution in solutions:
            table.add_column(escape(solution), overflow="fold")
        for sentence in dict.fromkeys(sentence for _, sentence in cells):
            row = [cells.get((solution, sentence)) for solution in solutions]
            table.add_row(escape(sentence), *(_verdict(cell) if cell else "" for cell in row))
        yield table


def _verdict(cell: Cell) -> str:
    word = cell.outcome.word
    return f"[green]{word}[/]" if cell.good else f"[red]{word}, wrong[/]"
