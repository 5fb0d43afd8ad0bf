"""`tocsin reproduce`.

Flows in: the name of a table. Flows out: whether a run of today gives the kept results. Heavy imports stand inside the
functions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from .contenders import Tuned
    from .suites import Suite

QUICK = 2  # chains
TUNING = "tuning"


def reproduce(
    table: Annotated[str, typer.Argument(help="A suite whose results are kept, or `tuning`.")] = "tocsin-bench-1",
    policy: Annotated[
        list[str] | None, typer.Option(help="Policy file, or NAME=FILE, beside those that come with the package.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the first chains of the suite.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Keep the results of today in place of the old ones; the whole suite.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Print the kept results as Markdown, and run nothing.")] = False,
    page: Annotated[
        Path | None, typer.Option(help="With --show: a Markdown file to write the tables into, between its marks.")
    ] = None,
    suite: Annotated[str, typer.Option(help="With tuning: which suite's baselines.")] = "tocsin-bench-1",
    tolerance: Annotated[float | None, typer.Option(help="Largest difference that counts as equal.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Run kept results again and compare. Example: tocsin reproduce tocsin-bench-1 --quick"""
    from rich.console import Console
    from rich.progress import Progress

    from .reproduce import TOLERANCE, ReproduceError
    from .suites import read_suite

    if quick and write:
        raise ReproduceError("--write keeps the results of a whole suite; leave --quick out")
    most = TOLERANCE if tolerance is None else tolerance
    if not most >= 0:
        raise ReproduceError(f"--tolerance {most}: give 0 or more")
    if show:
        _show(table, page)
        return
    with Progress(console=Console(stderr=True), disable=as_json, transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def progress(name: str, share: float) -> None:
            bar.update(task, completed=share, description=name)

        if table == TUNING:
            told = _tuning(read_suite(suite), progress)
        else:
            told = _again(table, policy or [], quick, write, most, progress)
    _tell(told, as_json)
    if not told["equal"]:
        raise typer.Exit(1)


def _show(table: str, page: Path | None) -> None:
    from .reproduce import ReproduceError, read_results
    from .reproduce_page import rewritten, tables

    told = tables(read_results(table))
    if page is None:
        typer.echo(told)
        return
    try:
        page.write_text(rewritten(page.read_text("utf-8"), table, told), "utf-8")
    except OSError as error:
        raise ReproduceError(f"--page {page}: {error.strerror or error}; name a file that can be written") from None


def _again(table: str, given: list[str], quick: bool, write: bool, most: float, progress: Any) -> dict[str, Any]:
    from .evaluate_commands import learned_of
    from .judging import judge
    from .reproduce import (
        KEPT,
        check_kept,
        check_write,
        digest_of_file,
        gaps,
        read_results,
        results_of,
        shipped_policies,
        write_results,
    )
    from .suites import read_suite

    suite = read_suite(table)
    kept = None if write else read_results(suite.name)
    if kept is None:
        check_write(table, suite)
    else:
        check_kept(suite, kept)
    paths = shipped_policies() | _named(given)
    learned = learned_of([f"{name}={path}" for name, path in paths.items()])
    result = judge(suite, learned, chains=QUICK if quick else None, progress=progress)
    if kept is None:
        path = KEPT / f"{suite.name}.json"
        write_results(results_of(suite, result, paths), path)
        return {"table": suite.name, "written": str(path), "equal": True, "policies": []}
    found = gaps(kept, result)
    not_run = sorted(set(kept["policies"]) - {gap.policy for gap in found})
    other = sorted(
        name for name, digest in kept["files"].items() if name in paths and digest_of_file(paths[name]) != digest
    )
    return {
        "table": suite.name,
        "digest": suite.said.digest,
        "chains": len(result.scores[0].chains),
        "tolerance": most,
        "equal": not not_run and not other and all(gap.largest <= most for gap in found),
        "policies": [asdict(gap) for gap in found],
        "not_run": not_run,
        "other_files": other,
    }


def _named(given: list[str]) -> dict[str, Path]:
    """Files of `--policy` by name; a file without a name goes by its own."""
    from .reproduce import ReproduceError

    found: dict[str, Path] = {}
    for one in given:
        name, equals, file = one.partition("=")
        path = Path(file if equals else one)
        name = name if equals else path.stem
        if name in found:
            raise ReproduceError(f"--policy {one}: name {name!r} is taken; write NAME=FILE with another name")
        found[name] = path
    return found


def _tuning(suite: Suite, progress: Any) -> dict[str, Any]:
    """Tune again and compare with the numbers in the suite, which are rounded to three digits."""
    from .judging import tune_suite

    def plain(tuned: Tuned | None) -> dict[str, Any] | None:
        if tuned is None:
            return None
        return {**asdict(tuned), "stops": [round(level, 3) for level in tuned.stops]}

    found, said = plain(tune_suite(suite, lambda share: progress("tuning", share))), plain(suite.tuned)
    return {"table": f"{TUNING} of {suite.name}", "found": found, "kept": said, "equal": found == said, "policies": []}


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(told))
        return
    for gap in told["policies"]:
        largest = f"largest difference {gap['largest']:.3g} ({gap['place']})"
        typer.echo(f"{gap['policy']:28} {gap['figures']} figures, {largest}")
    if told.get("not_run"):
        typer.echo(f"not run, give their files by --policy: {', '.join(told['not_run'])}")
    if told.get("other_files"):
        typer.echo(f"another file than the results were kept with: {', '.join(told['other_files'])}")
    if "written" in told:
        typer.echo(f"{told['table']}: written to {told['written']}")
    elif "found" in told:
        word = "equal" if told["equal"] else "DIFFERS"
        typer.echo(f"{told['table']}: {word}; found {told['found']}, kept {told['kept']}")
    else:
        differs = told["other_files"] or any(gap["largest"] > told["tolerance"] for gap in told["policies"])
        word = "equal" if told["equal"] else "DIFFERS" if differs else "NOT ALL RUN"
        typer.echo(f"{told['table']}, {told['chains']} chains: {word} (tolerance {told['tolerance']:g})")
