#!/bin/sh
# Which Python 3.13 builds what Lambda runs? Prints its path, or one line that says what to do.
#
# Bytecode is only read by the minor version that wrote it, so nothing but 3.13 will do.

# A pyenv shim for a version that is not chosen is on PATH and exits 127: running it is the only test.
is_313() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.13 ]
}

if [ -n "${EMBEDGE_PYTHON313:-}" ]; then
    set -- "$EMBEDGE_PYTHON313"
else
    set -- "$(command -v python3.13)" "$HOME"/.pyenv/versions/3.13*/bin/python3.13
fi

for candidate; do
    if [ -n "$candidate" ] && is_313 "$candidate"; then
        printf '%s\n' "$candidate"
        exit 0
    fi
done

if [ -n "${EMBEDGE_PYTHON313:-}" ]; then
    echo "EMBEDGE_PYTHON313=$EMBEDGE_PYTHON313 is not a Python 3.13" >&2
else
    echo "Python 3.13 not found: install it, or set EMBEDGE_PYTHON313 to its path" >&2
fi
exit 1
