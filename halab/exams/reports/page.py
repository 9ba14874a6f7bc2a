"""An attempt as one HTML file. It needs no network and no other file, and does not trust what it shows."""

import base64
import hashlib
from pathlib import Path

from halab.exams.attempts import Attempt
from halab.exams.reports import pictures, recordings
from halab.kit.printable import printable
from halab.kit.templates import render_html

HERE = Path(__file__).parent


def html(attempt: Attempt) -> str:
    from markupsafe import Markup

    player = (HERE / "player.js").read_text(encoding="utf-8")
    films = [(recording.name, recordings.playable(recording)) for recording in attempt.recordings]
    return render_html(
        HERE / "report.html.j2",
        grade=attempt.grade,
        number=attempt.number,
        printable=printable,
        outages=[
            (outage.stem, Markup(pictures.inline(outage, f"outage-{number}-")))  # noqa: S704  # nothing but shapes
            for number, outage in enumerate(attempt.timelines, 1)
        ],
        films=[(name, film is not None) for name, film in films],
        data=Markup(recordings.as_json([film for _, film in films])),  # noqa: S704  # without any `<`
        player=Markup(player),  # noqa: S704  # ours
        digest=base64.b64encode(hashlib.sha256(player.encode()).digest()).decode(),
    )
