"""Is a deployment well, and what is to be mended? `doctor`."""

import click

from embedge.bootstrap.operating import Operation
from embedge.cli.doctor_visit import Patient, visit
from embedge.cli.running import Place, run
from embedge.core.findings import Finding, as_json

_COLOURS = {"ok": "green", "fail": "red", "skip": "yellow"}


@click.command("doctor")
@click.option("--url", help="The router's base URL. By default the stack's output ApiUrl, or where `make run` serves.")
@click.option("--tenant", default="doctor", show_default=True, help="As whom to ask.")
@click.option("--json", "as_document", is_flag=True, help="Print a JSON array of what was found.")
@click.pass_obj
def doctor(place: Place, url: str | None, tenant: str, *, as_document: bool) -> None:
    """Look at a deployment from end to end, and say what is to be mended; the exit status is 1 where anything is.

    It asks every target for some short texts, and the router twice for one of each route: that is paid for.
    """

    async def visited(operation: Operation) -> list[Finding]:
        findings: list[Finding] = []
        async for finding in visit(Patient(operation, url or operation.url, tenant)):
            if not as_document:
                _echo(finding)
            findings.append(finding)
        return findings

    findings = run(place, visited)
    if as_document:
        click.echo(as_json(findings))
    if any(finding.outcome == "fail" for finding in findings):
        raise SystemExit(1)


def _echo(finding: Finding) -> None:
    mend = f" -> {finding.mend}" if finding.mend else ""
    outcome = click.style(f"{finding.outcome:4}", fg=_COLOURS[finding.outcome])
    click.echo(f"{outcome}  {finding.check:9}  {finding.what}{mend}")
