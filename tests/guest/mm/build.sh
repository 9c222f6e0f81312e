#!/bin/bash
# Builds memtest and records what real Linux says (the lab's oracle), for tests/mm.test.mjs. Needs riscv64-linux-gnu-gcc;
# RUN_LINUX is the lab's oracle/run-linux.sh (without it only the program is built).
set -euo pipefail
cd "$(dirname "$0")"
out=../../fixtures/mm
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
riscv64-linux-gnu-gcc -static -Os -s -o "$work/memtest" memtest.c
gzip -9nc "$work/memtest" > $out/memtest.gz
if [ -n "${RUN_LINUX:-}" ]; then
  echo '/memtest' | "$RUN_LINUX" -m -M 256M "$work" - | tr -d '\r' > $out/memtest.txt
fi
