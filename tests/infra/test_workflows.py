"""Can GitHub read the workflows, do they run what is there, and do they hold no key?"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.tools import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
# https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax
_TOP = {"name", "on", "permissions", "concurrency", "env", "defaults", "jobs"}
_JOB = {
    *("name", "needs", "if", "runs-on", "timeout-minutes", "steps", "uses", "with", "permissions", "environment"),
    *("env", "strategy", "outputs", "concurrency", "secrets"),
}
_STEP = {"name", "id", "if", "uses", "run", "with", "env", "working-directory", "shell"}
_SCOPES = {"contents": {"read"}, "id-token": {"write"}}
_IN_A_SCRIPT = re.compile(r"\$\{\{")


def read(name: str) -> dict[str, Any]:
    document: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    # YAML 1.1 reads the bare word `on` as true.
    return {("on" if key is True else key): value for key, value in document.items()}


def jobs() -> Iterator[tuple[str, dict[str, Any], Mapping[str, Any]]]:
    for file in WORKFLOWS:
        workflow = read(file.name)
        for job in workflow["jobs"].values():
            yield file.name, workflow, job


def steps() -> Iterator[Mapping[str, Any]]:
    for _, _, job in jobs():
        yield from job.get("steps", ())


@pytest.mark.parametrize("name", [file.name for file in WORKFLOWS])
def test_a_workflow_has_the_form_that_github_reads(name: str) -> None:
    workflow = read(name)
    assert workflow.keys() <= _TOP
    assert workflow["on"]
    assert workflow["jobs"]
    for job in workflow["jobs"].values():
        assert job.keys() <= _JOB
        assert ("uses" in job) != ("steps" in job)
        assert ("steps" in job) == ("runs-on" in job) == ("timeout-minutes" in job)
        needed = job.get("needs", [])
        assert ({needed} if isinstance(needed, str) else set(needed)) <= workflow["jobs"].keys()
        for step in job.get("steps", ()):
            assert step.keys() <= _STEP
            assert ("uses" in step) != ("run" in step)


def test_no_workflow_may_do_more_than_read_and_say_who_it_is() -> None:
    for _, workflow, job in jobs():
        for permissions in (workflow["permissions"], job.get("permissions", {})):
            assert all(level in _SCOPES[scope] for scope, level in permissions.items())


def test_only_who_deploys_may_say_who_it_is_and_does_so_by_a_role() -> None:
    text = "".join(file.read_text() for file in WORKFLOWS)
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    assert read("check.yml")["permissions"] == {"contents": "read"}
    (credentials,) = [step for step in steps() if str(step.get("uses", "")).startswith("aws-actions/configure-")]
    assert set(credentials["with"]) == {"role-to-assume", "aws-region"}


def test_nothing_that_somebody_may_choose_is_put_into_a_script() -> None:
    assert not [step["run"] for step in steps() if _IN_A_SCRIPT.search(step.get("run", ""))]


def test_every_action_is_named_with_a_version() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w.-]+/[\w./-]+@(v\d+|[0-9a-f]{40})", name) for name in used)


def test_what_the_workflows_run_and_name_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    configured = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for script in (step["run"] for step in steps() if "run" in step):
        words = script.split()
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE)
        elif "/" in words[0] and not words[0].startswith(".venv"):
            assert (ROOT / words[0]).exists()
    for _, _, job in jobs():
        if "uses" in job:
            assert (ROOT / job["uses"]).exists()
            environment = job["with"]["environment"]
            assert configured[environment]["global"]["parameters"]["stack_name"] == f"embedge-{environment}"
