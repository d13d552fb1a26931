#!/bin/sh
# How does .venv come to hold what `make run` or `make test` needs? Every lock is installed by its hashes, once.
#
# `setup.sh run` and `setup.sh test` add to one .venv and never undo each other. A stamp inside it, written last, says
# what is there. While one of them works, a mark holds its process id: the mark of a dead process means a half-made
# .venv, which is made anew.
set -eu
cd "$(dirname "$0")/../.."

venv=.venv
mark=$venv/.embedge-installing
made=$venv/.embedge-python
locks="layers/dependencies/requirements.txt infra/local/requirements.txt infra/local/model.txt"

case ${1:-} in
run) ;;
test) locks="$locks tests/requirements.txt" ;;
*) echo "usage: setup.sh run|test" >&2 && exit 2 ;;
esac
stamp=$venv/.embedge-$1

say() { echo "embedge: $*" >&2; }

# shellcheck disable=SC2086 # a list of names without spaces
wanted() { cat $locks infra/local/uv.txt infra/local/setup.sh pyproject.toml layers/dependencies/ranks.* | cksum; }

# A new minor version of the same python, or a folder that was moved, makes another environment of it.
identity() { "$venv/bin/python" -ISc 'import sys; print(sys.version_info[:2], sys.executable)' 2>/dev/null; }

usable() { [ -e "$made" ] && [ "$(identity)" = "$(cat "$made")" ]; }

ready() { [ -e "$stamp" ] && [ "$(wanted)" = "$(cat "$stamp")" ] && usable; }

# Waits while another process installs, and clears away what a dead one left.
take_mark() {
    mkdir -p "$venv"
    until (set -C && echo $$ >"$mark") 2>/dev/null; do
        if kill -0 "$(cat "$mark")" 2>/dev/null; then
            sleep 0.2
        else
            rm -rf "$venv"
            mkdir -p "$venv"
        fi
    done
}

# Sets `python`, or says what is missing. A name on PATH may be a shim that runs nothing, so each is asked.
find_python() {
    bare=
    for python in python3 python3.13 python3.12 python3.11; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then return; fi
        bare=${bare:-$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')}
    done
    if [ "$bare" ]; then
        say "$bare is here without its venv module: apt install $bare-venv"
    else
        say "needs Python 3.11 or newer, as python3, python3.13, python3.12 or python3.11 on PATH: apt install python3-venv"
    fi
    exit 1
}

make_venv() {
    find_python
    say "making $venv with $("$python" --version), once (some 130 MB to download)"
    find "$venv" -mindepth 1 -maxdepth 1 ! -path "$mark" -exec rm -rf {} +
    "$python" -m venv "$venv"
    identity >"$made"
}

site_packages() { "$venv/bin/python" -Ic 'import sysconfig; print(sysconfig.get_path("purelib"))'; }

# Called where `set -e` does not reach, hence the &&.
install() {
    # --no-deps everywhere: the locks are complete, and leave out on purpose what they leave out.
    requirements=
    for lock in $locks; do requirements="$requirements --requirement $lock"; done
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps \
        --only-binary :all: --require-hashes --requirement infra/local/uv.txt &&
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build --require-hashes \
            --compile-bytecode $requirements &&
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --editable . &&
        sh layers/dependencies/ranks.sh "$venv/bin/python" "$(site_packages)"
}

if ready; then exit 0; fi
take_mark
if ! ready; then
    usable || make_venv
    say "installing what \`make $1\` needs"
    install || { say "the installation failed; what it says is above, and the next try starts anew" && exit 1; }
    wanted >"$stamp.new"
    mv "$stamp.new" "$stamp"
fi
rm -f "$mark"
