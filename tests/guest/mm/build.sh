#!/bin/bash
# Builds memtest, vmaops and swaptest and records what real Linux says (the lab's oracle), for tests/mm.test.mjs and swap.test.mjs. Needs riscv64-linux-gnu-gcc;
# RUN_LINUX is the lab's oracle/run-linux.sh (without it only the program is built).
set -euo pipefail
cd "$(dirname "$0")"
out=../../fixtures/mm
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for program in memtest vmaops swaptest; do
  riscv64-linux-gnu-gcc -static -Os -s -o "$work/$program" $program.c
  gzip -9nc "$work/$program" > $out/$program.gz
done
if [ -n "${RUN_LINUX:-}" ]; then
  echo '/memtest' | "$RUN_LINUX" -m -M 256M "$work" - | tr -d '\r' > $out/memtest.txt
  echo '/vmaops' | "$RUN_LINUX" -m -M 256M "$work" - | tr -d '\r' | gzip -9n > $out/vmaops.txt.gz
  # On a RAM disk: written and read at once, like a file of the host in Lintel.
  printf '%s\n' 'modprobe brd rd_nr=1 rd_size=65536' 'mount -t tmpfs tmpfs /tmp' 'busybox mkswap /dev/ram0 > /dev/null' '/swaptest /dev/ram0' |
    "$RUN_LINUX" -m -M 1G -K brd "$work" - | tr -d '\r' > $out/swaptest.txt
fi
