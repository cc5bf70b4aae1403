"""`ostiary bench`: what each way to carry login state costs and how fast it ends, on this machine."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.options import Json
from ostiary.errors import InvalidRequest


def bench(
    *,
    rounds: Annotated[int, Parameter(help="Sessions of each kind that are ended while a second node watches.")] = 20,
    svg: Annotated[Path | None, Parameter(help="Write a picture of the result here.")] = None,
    json: Json = False,
) -> None:
    """Measure bytes, look-ups and microseconds for each request, and milliseconds until an ended session is refused,
    for each kind, beside a look-up for every request and beside a JWT that nobody can end. About ten seconds."""
    from ostiary.cli.bench_picture import picture_of
    from ostiary.cli.bench_run import CONTRASTS, measure
    from ostiary.cli.output import note, plain, say, say_json, say_table

    if not 1 <= rounds <= 1000:
        raise InvalidRequest("--rounds is a number from 1 to 1000.")
    if svg is not None:
        _check_place(svg)
    found = measure(rounds)
    if svg is not None:
        svg.write_text(picture_of(found), encoding="utf-8")
        note(f"The picture is in {svg}.")
    if json:
        say_json({"rounds": rounds, "ways": plain([way.as_members() for way in found])})
        return
    columns = ("way", "bytes a request", "look-ups a request", "us a check", "ms until refused", "at most")
    rows = [
        (
            way.name,
            way.request_bytes,
            f"{way.lookups:g}",
            f"{way.check_us:.1f}",
            f"{way.refused_ms[len(way.refused_ms) // 2]:.1f}",
            f"{way.refused_ms[-1]:.1f}",
        )
        for way in found
    ]
    say_table(columns, rows, empty="")
    say()
    for way in found:
        if way.name in CONTRASTS:
            say(f"{way.name}: {CONTRASTS[way.name]}")
    say(f"Refused: from the answer of the ending call at one node until another one says 401; {rounds} times a kind.")


def _check_place(path: Path) -> None:
    """Before ten seconds are spent on a picture that cannot be kept."""
    try:
        path.open("a").close()
    except OSError as wrong:
        raise InvalidRequest(f"{path} cannot be written ({wrong.strerror}).") from None
