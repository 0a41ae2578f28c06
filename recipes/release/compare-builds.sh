#!/bin/sh
# Builds the release twice, from two clean clones, and compares what would be deployed byte by byte.
# Usage: recipes/release/compare-builds.sh [MAVEN_ARGUMENTS...]
set -eu

home=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

revision=$(git -C "$home" rev-parse HEAD)
for build in first second; do
    git clone -q --no-checkout "$home" "$work/$build"
    git -C "$work/$build" checkout -q "$revision" # whatever is committed meanwhile
done
for build in first second; do
    (cd "$work/$build" && mvn -q -Prelease -DskipTests package "$@")
    (cd "$work/$build" && find . -path '*/target/*' \( -name '*.jar' -o -name '*.zip' -o -name '*-cyclonedx.json' -o -name 'bom.json' \) \
        -not -path '*/classes/*' | sort | xargs -r sha256sum) >"$work/$build.sums"
done
[ -s "$work/first.sums" ] || { echo "nothing was built" >&2; exit 1; }
diff "$work/first.sums" "$work/second.sums" && echo "$(wc -l <"$work/first.sums") files, all the same"
