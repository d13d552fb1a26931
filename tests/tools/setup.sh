#!/bin/sh
# How do the tools of the slow tests get here? `setup.sh [NAME…]` makes .tools/<name> from <name>.txt; all of them unless named.
#
# Each has a venv of its own, since each pins packages at versions that the others cannot have. A venv is built aside and
# moved into place when it is whole, so an interrupted run leaves the old one or none; done for this lock, it is left alone.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
[ $# -gt 0 ] || set -- sam ministack schemathesis

find_uv() {
    for candidate in "${UV:-}" "$root/.venv/bin/uv" "$(command -v uv || true)"; do
        if [ -n "$candidate" ] && [ -x "$candidate" ]; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    echo "uv not found: infra/local/setup.sh brings it, or set UV to its path" >&2
    return 1
}

# ministack runs the functions in its own interpreter, so that one has to be Lambda's; the others only drive.
find_python() {
    case $1 in
        ministack) sh "$root/layers/python313.sh" ;;
        sam | schemathesis) if [ -x "$root/.venv/bin/python" ]; then echo "$root/.venv/bin/python"; else command -v python3; fi ;;
        *) echo "no such tool: $1" >&2; return 1 ;;
    esac
}

make_venv() {
    tool=$1
    stamp=$(cksum <"$here/$tool.txt")
    [ "$(cat "$root/.tools/$tool/stamp" 2>/dev/null)" != "$stamp" ] || return 0

    uv=$(find_uv)
    python=$(find_python "$tool")
    mkdir -p "$root/.tools"
    aside=$(mktemp -d "$root/.tools/$tool.XXXXXX")
    trap 'rm -rf "$aside"' EXIT
    trap 'exit 130' INT TERM

    "$uv" venv --quiet --relocatable --no-project --python "$python" --clear "$aside"
    "$uv" pip install --quiet --python "$aside/bin/python" --require-hashes --requirement "$here/$tool.txt"
    echo "$stamp" >"$aside/stamp"

    rm -rf "${root:?}/.tools/$tool"
    mv "$aside" "$root/.tools/$tool"
}

for name; do
    (make_venv "$name")
done
