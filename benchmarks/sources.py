"""Where do real descriptions come from? Package lists of this machine's own apt, its man pages, its copyright files."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.passages import Description, parse_copyright, parse_page, parse_stanza

_APT_HELPER = Path("/usr/lib/apt/apt-helper")
_MAN_PAGES = Path("/usr/share/man")
_DOCUMENTS = Path("/usr/share/doc")
_UPDATE_LIMIT_S = 180


@dataclass(frozen=True, slots=True)
class Source:
    """What descriptions are read from, one by one. `title` is plural."""

    title: str
    units: Sequence[str]
    read: Callable[[str], Description | None]


def packages(folder: Path) -> Source | None:
    """Return the descriptions of all packages that apt knows; None without apt, or where none could be fetched.

    The lists are fetched into `folder` once and kept there; the machine's own are neither read nor changed.
    """
    if not (shutil.which("apt-get") and _APT_HELPER.exists()):
        return None
    options = _private(folder.resolve())
    lists = _translations(options)
    if not lists:
        _fetch(options)
        lists = _translations(options)
    units = [stanza for path in lists for stanza in _output([str(_APT_HELPER), "cat-file", path]).split("\n\n")]
    return Source("package descriptions", units, parse_stanza) if units else None


def man_pages() -> Source | None:
    """Return the installed man pages in English, each once; None where there are none, or nothing to render them."""
    pages = sorted(str(page) for page in _MAN_PAGES.glob("man[1-9]/*") if page.is_file() and not page.is_symlink())
    return Source("man pages", pages, _page) if pages and shutil.which("man") else None


def copyrights() -> Source | None:
    """Return the copyright files of the installed packages, each as one description; None where there are none."""
    files = sorted(
        str(path) for path in _DOCUMENTS.glob("*/copyright") if path.is_file() and not path.parent.is_symlink()
    )
    return Source("copyright files", files, _copyright) if files else None


def _private(folder: Path) -> list[str]:
    """Return the options that make apt keep English descriptions, and nothing else, in `folder`."""
    lists, cache = folder / "lists", folder / "cache"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    cache.mkdir(exist_ok=True)
    values = {
        "Acquire::Languages": "en",
        "Acquire::IndexTargets::deb::Packages::DefaultEnabled": "false",
        "APT::Sandbox::User": "root",  # apt's own user may not enter a private folder; without root it has no effect
        "Dir::State::Lists": str(lists),
        "Dir::Cache": str(cache),
    }
    return [part for name, value in values.items() for part in ("-o", f"{name}={value}")]


def _translations(options: list[str]) -> list[str]:
    """Return the fetched lists' paths, as apt names them."""
    asked = ["apt-get", "indextargets", *options, "--format", "$(FILENAME)", "Created-By: Translations", "Language: en"]
    return sorted(path for path in _output(asked).splitlines() if Path(path).exists())


def _fetch(options: list[str]) -> None:
    """Let apt fetch what it can; what it says is shown, and what it could not fetch is missing afterwards."""
    try:
        command = ["apt-get", "update", "-qq", *options]
        subprocess.run(command, check=False, timeout=_UPDATE_LIMIT_S)  # noqa: S603 (our own words)
    except subprocess.TimeoutExpired:
        print(f"corpus: apt-get took more than {_UPDATE_LIMIT_S} s")


def _page(path: str) -> Description | None:
    """Render a page and read it."""
    plain = {"MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
    command = ["man", "--local-file", "--no-hyphenation", "--no-justification", path]
    return parse_page(Path(path).name.removesuffix(".gz"), _output(command, plain))


def _copyright(path: str) -> Description:
    return parse_copyright(Path(path).parent.name, Path(path).read_text(encoding="utf-8", errors="replace"))


def _output(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Return what a command prints, whatever it ends with; its complaints go unread."""
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, check=False)  # noqa: S603 (our own words)
    return done.stdout.decode("utf-8", errors="replace")
