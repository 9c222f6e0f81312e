#!/bin/bash
# Builds the network and IPC programs and records what real Linux says (the lab's oracle), for tests/net.test.mjs. Needs
# riscv64-linux-gnu-gcc; RUN_LINUX is the lab's oracle/run-linux.sh (without it only the programs are built). Words: only these programs.
set -euo pipefail
cd "$(dirname "$0")"
out=../../fixtures/net
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for source in *test.c; do
  name=${source%.c}
  [ $# = 0 ] || [[ " $* " == *" $name "* ]] || continue
  riscv64-linux-gnu-gcc -static -Os -s -w -o "$work/$name" $source -lpthread -lrt
  gzip -9nc "$work/$name" > $out/$name.gz
  if [ -n "${RUN_LINUX:-}" ]; then
    echo "ulimit -c 0; ip addr flush dev lo; ip link set lo down; mkdir -p /dev/mqueue; mount -t mqueue none /dev/mqueue; /$name" | "$RUN_LINUX" -t 300 -m "$work" - | tr -d '\r' > $out/$name.txt
  fi
done
