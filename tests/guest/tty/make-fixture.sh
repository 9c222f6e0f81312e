#!/bin/bash
# Records what real Linux says to ttycheck: make-fixture.sh RUN_LINUX, where RUN_LINUX is the lab's oracle/run-linux.sh. Output: the fixture on stdout.
set -euo pipefail
cd "$(dirname "$0")"
w=$(mktemp -d); trap 'rm -rf "$w"' EXIT
mkdir "$w/t"; riscv64-linux-gnu-gcc -static -O1 -w -o "$w/t/ttycheck" ttycheck.c
echo 'mkdir -p /dev/pts /tmp; mount -t devpts devpts /dev/pts 2>/dev/null; /t/ttycheck 2>&1' | "$1" -m "$w" -
