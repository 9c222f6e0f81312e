#!/bin/bash
# Builds memtest, vmaops, swaptest and hog and records what real Linux says (the lab's oracle), for tests/mm.test.mjs, swap.test.mjs and cgroup_memory.test.mjs. Needs riscv64-linux-gnu-gcc;
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
riscv64-linux-gnu-gcc -O1 -nostdlib -static -ffreestanding -fno-stack-protector -fno-builtin -fno-pie -no-pie -Wl,--no-relax,--build-id=none -s -o "$work/hog" hog.c
gzip -9nc "$work/hog" > $out/hog.gz
if [ -n "${RUN_LINUX:-}" ]; then
  echo '/memtest' | "$RUN_LINUX" -m -M 256M "$work" - | tr -d '\r' > $out/memtest.txt
  echo '/vmaops' | "$RUN_LINUX" -m -M 256M "$work" - | tr -d '\r' | gzip -9n > $out/vmaops.txt.gz
  # On a RAM disk: written and read at once, like a file of the host in Lintel.
  printf '%s\n' 'modprobe brd rd_nr=1 rd_size=65536' 'mount -t tmpfs tmpfs /tmp' 'busybox mkswap /dev/ram0 > /dev/null' '/swaptest /dev/ram0' |
    "$RUN_LINUX" -m -M 1G -K brd "$work" - | tr -d '\r' > $out/swaptest.txt
  cp cgmem.sh "$work"
  printf '%s\n' 'modprobe brd rd_nr=1 rd_size=65536' 'mount -t tmpfs tmpfs /tmp' 'busybox mkswap /dev/ram0 > /dev/null; swapon /dev/ram0' 'sh /cgmem.sh 2>&1' |
    "$RUN_LINUX" -m -M 1G -K brd "$work" - | tr -d '\r' > $out/cgmem.txt
fi
