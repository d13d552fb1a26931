"""What does CloudFormation make of a template? SAM's own resources expanded, short tags (!Ref) spelled out."""

from __future__ import annotations

import json
from typing import TypeAlias

from tests.e2e.tools import SAM_PYTHON, run

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Node: TypeAlias = "dict[str, Json]"

_EXPAND = """
import json, sys
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse
template, given = yaml_parse(open(sys.argv[1]).read()), json.loads(sys.argv[2])
if "Transform" in template:
    validator = SamTemplateValidator(template, None, parameter_overrides=given)
    template = yaml_parse(validator.get_translated_template_if_valid())
json.dump(template, sys.stdout)
"""


def expanded(name: str, **parameters: str) -> Node:
    """Return the template as CloudFormation sees it, with these parameters given to SAM."""
    return json.loads(run(SAM_PYTHON, "-c", _EXPAND, name, json.dumps(parameters)))


def resources(template: Node, kind: str) -> dict[str, Node]:
    """Return the template's resources of this type, by name."""
    every = at(template, "Resources")
    return {name: at(every, name) for name in every if at(every, name)["Type"] == kind}


def at(node: Node, *path: str) -> Node:
    """Return what is at this path."""
    for name in path:
        below = node[name]
        assert isinstance(below, dict), name
        node = below
    return node
