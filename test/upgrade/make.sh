#!/usr/bin/env bash
# make.sh REVISION NAME: leaves the data folder of a revision in testdata, for the test that opens it with the binary of today.
# Run it for each release: test/upgrade/make.sh v1.2.0 v1.2.0
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
scratch=$(mktemp -d)
trap 'git worktree remove --force "$scratch/tree" 2>/dev/null || true; rm -rf "$scratch"' EXIT
git worktree add -q --detach "$scratch/tree" "$1"
(cd "$scratch/tree" && go build -o "$scratch/tidegate" ./cmd/tidegate)
mkdir -p test/upgrade/testdata
BLACKBOX_BINARY=$scratch/tidegate MAKE_FOLDER=$2 go test -count=1 -run '^TestMake$' ./test/upgrade
