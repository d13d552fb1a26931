"""Does what `sam build` makes run as it is, with nothing beside it, and start without compiling anything?"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.tools import python313

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("built")]

# On PATH as Lambda puts them: https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html
LAYERS = ("DependenciesLayer/python", "EmbedgeLayer/python")
FOLDERS = ("ApiFunction", *LAYERS)
FUNCTIONS = ("ApiFunction", "CanaryFunction")
DEPENDENCIES = ("DependenciesLayer", "DependenciesArm64Layer")
ELF_MACHINES = (62, 183)  # EM_X86_64, EM_AARCH64
MOST_BYTES = 130_000_000
UNCHECKED_HASH = 0b01  # PEP 552: bytecode that is used without looking at its source

VARIABLES = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "EMBEDGE_CONTROL_TABLE": "control",
    "EMBEDGE_LEDGER_TABLE": "ledger",
    "EMBEDGE_CACHE_TABLE": "cache",
}

_IMPORT = "import sys; sys.path[:0] = sys.argv[1:]; import app; assert callable(app.handler)"

# Each client signs a request offline: that takes its service's description, endpoint rules and partitions.
_SIGN = """
import sys
sys.path[:0] = sys.argv[1:]
import aiobotocore.session, botocore.session
for service, operation, arguments in [
    ("dynamodb", "get_item", {"TableName": "t", "Key": {"pk": {"S": "a"}}}),
    ("logs", "filter_log_events", {"logGroupName": "g"}),
    ("s3", "put_object", {"Bucket": "b", "Key": "k"}),
    ("sagemaker-runtime", "invoke_endpoint", {"EndpointName": "e", "Body": b"{}"}),
    ("secretsmanager", "get_secret_value", {"SecretId": "s"}),
    ("ssm", "get_parameter", {"Name": "p"}),
    ("bedrock-runtime", "invoke_model", {"modelId": "m", "body": b"{}"}),
    ("sts", "get_caller_identity", {}),
]:
    url = botocore.session.get_session().create_client(service).generate_presigned_url(operation, arguments)
    assert url.startswith("https://") and ".amazonaws.com/" in url, url
    aiobotocore.session.get_session().create_client(service)
"""

# The ranks are data beside the packages, and the packages that tiktoken declares for fetching them are not shipped.
_COUNT = """
import sys
sys.path[:0] = sys.argv[1:]
from embedge.adapters.tokenizers_tiktoken import shipped
assert shipped().count("hello world", 8192) == 2
assert not {"regex", "requests"} & sys.modules.keys()
"""


def test_every_module_is_shipped_with_its_bytecode(built: Path) -> None:
    sources = [source for folder in (*FUNCTIONS, *LAYERS) for source in (built / folder).rglob("*.py")]
    assert sources
    assert not [source for source in sources if not _bytecode(source).exists()]


def test_bytecode_is_3_13s_own_and_is_used_without_a_look_at_its_source(built: Path) -> None:
    magic = _python("import importlib.util, sys; sys.stdout.buffer.write(importlib.util.MAGIC_NUMBER)")
    for folder in FOLDERS:
        for source in (built / folder).rglob("*.py"):
            head = _bytecode(source).read_bytes()[:8]
            assert head == magic + UNCHECKED_HASH.to_bytes(4, "little"), source


def test_nothing_is_compiled_at_a_start_whatever_became_of_the_modification_times(built: Path) -> None:
    for folder in FOLDERS:
        for source in (built / folder).rglob("*.py"):
            os.utime(source)
    said = _python(_IMPORT, *_paths(built), flags=("-v",)).decode()
    loaded = re.findall(rf"^# code object from '?({re.escape(str(built))}.*)$", said, re.MULTILINE)
    assert loaded
    assert not [path for path in loaded if ".pyc" not in path]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_finds_all_that_it_imports_in_its_layers(built: Path, function: str) -> None:
    _python(_IMPORT, *(str(built / folder) for folder in (function, *LAYERS)))


def test_boto_still_makes_the_clients_that_the_functions_use(built: Path) -> None:
    _python(_SIGN, *_paths(built))


def test_tokens_are_counted_exactly_with_what_is_shipped(built: Path) -> None:
    _python(_COUNT, *_paths(built))


def test_the_layer_for_arm64_is_the_same_packages_built_for_it(built: Path) -> None:
    ours, theirs = ({_distribution(one) for one in (built / name).glob("python/*.dist-info")} for name in DEPENDENCIES)
    assert ours == theirs
    for layer, machine in zip(DEPENDENCIES, ELF_MACHINES, strict=True):
        libraries = [one for one in (built / layer).rglob("*.so*") if one.is_file()]
        assert libraries
        # https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html: e_machine is two bytes at 18
        assert {int.from_bytes(one.read_bytes()[18:20], "little") for one in libraries} == {machine}


def test_the_layers_leave_room_in_what_lambda_takes(built: Path) -> None:
    for folders in (FOLDERS, ("ApiFunction", "DependenciesArm64Layer", "EmbedgeLayer")):
        files = [file for folder in folders for file in (built / folder).rglob("*") if file.is_file()]
        assert sum(file.stat().st_size for file in files) < MOST_BYTES


def _distribution(metadata: Path) -> str:
    return metadata.name.removesuffix(".dist-info")


def _paths(built: Path) -> list[str]:
    return [str(built / folder) for folder in FOLDERS]


def _bytecode(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"


def _python(code: str, *arguments: str, flags: tuple[str, ...] = ()) -> bytes:
    """What Python 3.13 says when it runs this with its own library only, in an environment like Lambda's.

    `-I -S`: no site-packages, no variables, no current folder. `-B`: nothing is written, as in Lambda.
    """
    python = python313()
    assert python is not None
    environment = ("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in VARIABLES.items()))
    command = [*environment, str(python), "-I", "-S", "-B", *flags, "-c", code, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()[-4000:]
    return done.stdout
