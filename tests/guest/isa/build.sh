#!/bin/bash
# Builds isatest and records what real Linux says (the lab's oracle), for tests/isa.test.mjs. Needs riscv64-linux-gnu-gcc.
# RUN_LINUX is the lab's oracle/run-linux.sh (without it only the program is built); QEMU there must give the guest the machine that
# Lintel has: a qemu-system-riscv64 of 8.0 or newer, made to run with
#   -cpu rv64,v=off,h=off,zawrs=off,zfa=off,zbc=off,zicbom=off,zicboz=off,zicond=on,sv48=off,sv57=off,svadu=on,sstc=off,svvptc=off,zihpm=off
set -euo pipefail
cd "$(dirname "$0")"
out=../../fixtures/isa
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
riscv64-linux-gnu-gcc -march=rv64gc -O1 -fno-builtin -fno-stack-protector -fno-pie -mno-relax -nostdlib -static -no-pie -s -Wall -Wl,--build-id=none,-z,separate-code \
  -o "$work/isatest" isatest.c machine.c decode.c traps.c faults.c codechange.c steps.c atomics.c
gzip -9nc "$work/isatest" > $out/isatest.gz
if [ -n "${RUN_LINUX:-}" ]; then
  echo /isatest | "$RUN_LINUX" -m -t 900 "$work" - | tr -d '\r' > $out/isatest.txt
fi
