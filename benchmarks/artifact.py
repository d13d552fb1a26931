"""What would be deployed? The function and layers that `sam build` makes; and a naive one of the same packages."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.emulator import Function
from tests.e2e.deploy import build
from tests.e2e.tools import ROOT, python313

_LOCK = ROOT / "layers/dependencies/requirements.txt"
_LAYERS = ("DependenciesLayer/python", "EmbedgeLayer/python")


def deployed_function(folder: Path, environment: Mapping[str, str]) -> Function:
    """Build the project into this folder, which must not exist; return the api function.

    What its environment takes from other resources (tables, the bucket) has to be in `environment`.
    """
    built = build(folder)
    template = yaml.safe_load((built / "template.yaml").read_text(encoding="utf-8"))
    properties = template["Resources"]["ApiFunction"]["Properties"]
    variables = _literal(properties["Environment"]["Variables"], template["Parameters"])
    layers = [built / name for name in _LAYERS]
    return Function(properties["Handler"], built / "ApiFunction", layers, {**variables, **environment})


def naive_function(environment: Mapping[str, str], *, bytecode: bool) -> Function:
    """Return the naive function, on packages as `sam build` installs them, or compiled besides."""
    packages = _packages(bytecode=bytecode)
    read_only = {"PYTHONDONTWRITEBYTECODE": "1"}  # as Lambda's disk is
    return Function("benchmarks/naive/function.handler", ROOT, [packages], {**environment, **read_only})


def _literal(variables: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return what is known without a stack: literals, and parameters' defaults."""
    known: dict[str, str] = {}
    for name, value in variables.items():
        if isinstance(value, str | int):
            known[name] = str(value)
        elif "Ref" in value and "Default" in parameters.get(value["Ref"], {}):
            known[name] = str(parameters[value["Ref"]]["Default"])
    return known


def _packages(*, bytecode: bool) -> Path:
    """Install what the functions' lock names, untrimmed; what is there for this lock already is left alone."""
    stamp = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    folder = ROOT / ".aws-sam" / f"naive-{stamp}{'-compiled' if bytecode else ''}"
    if folder.exists():
        return folder
    aside = folder.with_suffix(".new")
    shutil.rmtree(aside, ignore_errors=True)
    python = str(python313())
    uv = ROOT / ".venv/bin/uv"
    install = [uv, "pip", "install", "--quiet", "--python", python, "--target", aside, "--no-deps", "--require-hashes"]
    subprocess.run([*install, "--requirement", _LOCK], check=True)  # noqa: S603 (our own lock)
    if bytecode:
        compiling = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", aside]
        subprocess.run(compiling, check=True)  # noqa: S603 (the Python that builds what Lambda runs)
    aside.rename(folder)
    return folder
