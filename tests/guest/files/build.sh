#!/bin/bash
# Builds filestest and records what real Linux says (the lab's oracle), for tests/files.test.mjs. Needs riscv64-linux-gnu-gcc;
# RUN_LINUX is the lab's oracle/run-linux.sh (without it only the program is built). Words: parts to record (default: all).
set -euo pipefail
cd "$(dirname "$0")"
out=../../fixtures/files
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
parts="inotify handles locks mounts mountapi overlay misc"
list=; sources=main.c
for p in $parts; do [ -f $p.c ] || continue; list+="PART($p) "; sources+=" $p.c"; done
riscv64-linux-gnu-gcc -static -Os -s "-DPARTS=$list" -o "$work/filestest" $sources -w
riscv64-linux-gnu-gcc -static -Os -s -o "$work/mapping" mapping.c -w; gzip -9nc "$work/mapping" > $out/mapping.gz
gzip -9nc "$work/filestest" > $out/filestest.gz
if [ -n "${RUN_LINUX:-}" ]; then
  echo 'modprobe -q overlay; /filestest' "$@" | "$RUN_LINUX" -m -K overlay "$work" - | tr -d '\r' > $out/filestest.txt
fi
