"""What do functions run in? A container image like Lambda's, made of this machine's own files and of no registry.

Python 3.13 at /var/lang, Lambda's runtime client at /var/runtime, the emulator of Lambda's side of it (it comes with
SAM), and as much of a Debian as these and SAM need.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.tools import ROOT, python313

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.containers.engine import Engine

IMAGE = "embedge-test/python:3.13"

# What SAM's own Dockerfile and the scripts below run.
_PROGRAMS = ("sh", "mv", "cp", "rm", "chmod", "mkdir", "cat", "env", "ls", "sleep")
# What wheels and the C library open by name only.
_ALSO = (
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libz.so.1",
    "librt.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "libutil.so.1",
    "libnss_dns.so.2",
    "libnss_files.so.2",
    "libresolv.so.2",
)
_LEFT_OUT = re.compile(r"/(test|idlelib|tkinter|turtledemo|ensurepip|site-packages|config-3[^/]*)(/|$)")
_NOT_BUILT_ON = ("_tkinter", "_curses")

_FILES = {
    "etc/passwd": "root:x:0:0::/:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
    "var/runtime/bootstrap": """#!/bin/sh
export AWS_EXECUTION_ENV=AWS_Lambda_python3.13
export PYTHONPATH=/opt/python/lib/python3.13/site-packages:/opt/python:/var/runtime
cd "${LAMBDA_TASK_ROOT:-/var/task}"
exec /var/lang/bin/python3.13 -m awslambdaric "$_HANDLER"
""",
    "lambda-entrypoint.sh": """#!/bin/sh
if [ $# -ge 1 ]; then export _HANDLER="$1"; fi
if [ -n "${AWS_LAMBDA_RUNTIME_API:-}" ]; then exec /var/runtime/bootstrap; fi
exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap
""",
}
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_VARIABLES = {
    "LANG": "en_US.UTF-8",
    "TZ": ":/etc/localtime",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/task:/opt/lib",
    "LAMBDA_TASK_ROOT": "/var/task",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
}


def make(engine: Engine) -> str:
    """Give the engine the image; return its name."""
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w", dereference=True) as into:
            _fill(into)
        archive.seek(0)
        changes = [f"ENV {name}={value}" for name, value in _VARIABLES.items()]
        changes += ["WORKDIR /var/task", f"ENTRYPOINT {json.dumps(['/lambda-entrypoint.sh'])}"]
        options = [option for change in changes for option in ("--change", change)]
        engine.docker("import", *options, "-", IMAGE, stdin=archive)
    return IMAGE


def _fill(into: tarfile.TarFile) -> None:
    python = python313()
    assert python is not None
    asking = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_path('stdlib'))"
    prefix, library = map(Path, _said(python, "-c", asking).split())
    programs = [Path(found) for name in _PROGRAMS if (found := shutil.which(name))]
    extensions = [path for path in (library / "lib-dynload").glob("*.so") if not path.name.startswith(_NOT_BUILT_ON)]
    _folders(into)
    for program in programs:
        into.add(program, f"bin/{program.name}")
    into.add(shutil.which("env") or "/usr/bin/env", "usr/bin/env")
    into.add(python, "var/lang/bin/python3.13")
    into.add(library, "var/lang/lib/python3.13", filter=_wanted)
    for shared in _shared([*programs, python, *extensions]):
        inside = f"var/lang/lib/{shared.name}" if shared.is_relative_to(prefix) else _merged(shared)
        into.add(shared, inside)
    (client,) = (ROOT / ".tools/runtime/lib").glob("python3.13/site-packages")
    into.add(client, "var/runtime", filter=lambda entry: None if "/_virtualenv" in entry.name else entry)
    (emulator,) = (ROOT / ".tools/sam/lib").glob("python3*/site-packages/samcli/local/rapid/aws-lambda-rie-x86_64")
    into.add(emulator, "usr/local/bin/aws-lambda-rie", filter=_executable)
    into.add("/etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/ca-certificates.crt")
    for name, text in _FILES.items():
        _write(into, name, text)


def _folders(into: tarfile.TarFile) -> None:
    for name, mode in {
        "tmp": 0o1777,
        "opt": 0o755,
        "var/task": 0o755,
        "proc": 0o755,
        "sys": 0o755,
        "dev": 0o755,
    }.items():
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        into.addfile(entry)
    for name, target in {"lib": "usr/lib", "lib64": "usr/lib64"}.items():
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        into.addfile(entry)


def _write(into: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), 0o755
    into.addfile(entry, io.BytesIO(text.encode()))


def _wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if _LEFT_OUT.search(f"/{entry.name}") else entry


def _executable(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    return entry.replace(mode=0o755, deep=False)


def _shared(binaries: Iterable[Path]) -> list[Path]:
    """Return the shared libraries that these need, and those that are opened by name."""
    ldd = shutil.which("ldd") or "ldd"
    listed = subprocess.run((ldd, *map(str, binaries)), capture_output=True, text=True, check=False).stdout
    needed = {Path(found) for found in re.findall(r"(/[^\s:]+\.so[^\s:]*) \(0x", listed)}
    known = _known()
    return sorted(needed | {known[name] for name in _ALSO if name in known})


def _known() -> Mapping[str, Path]:
    cache = _said(shutil.which("ldconfig", path="/sbin:/usr/sbin") or "ldconfig", "-p")
    found = re.findall(r"^\s+(\S+) \(libc6,x86-64[^)]*\) => (\S+)$", cache, re.MULTILINE)
    return {name: Path(path) for name, path in reversed(found)}


def _merged(library: Path) -> str:
    """Return where it is in the image, in which /lib is a link to /usr/lib."""
    return re.sub(r"^/(usr/)?", "usr/", str(library))


def _said(*command: str | Path) -> str:
    return subprocess.run(tuple(map(str, command)), capture_output=True, text=True, check=True).stdout
