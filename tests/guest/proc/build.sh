#!/bin/bash
# Builds proctest, nstest, vdsotest, pitest, stresstest and cgrouptest and records what real Linux says (the lab's oracle), for tests/proc.test.mjs. Needs riscv64-linux-gnu-gcc;
# RUN_LINUX is the lab's oracle/run-linux.sh (without it only the program is built).
set -euo pipefail
cd "$(dirname "$0")"
out=../../fixtures/proc
mkdir -p $out
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
riscv64-linux-gnu-gcc -static -Os -s -o "$work/proctest" proctest.c sysfuzz.c -lpthread -w
gzip -9nc "$work/proctest" > $out/proctest.gz
riscv64-linux-gnu-gcc -static -Os -s -o "$work/nstest" nstest.c -w
gzip -9nc "$work/nstest" > $out/nstest.gz
riscv64-linux-gnu-gcc -static -Os -s -o "$work/vdsotest" vdsotest.c -w
gzip -9nc "$work/vdsotest" > $out/vdsotest.gz
riscv64-linux-gnu-gcc -static -Os -s -o "$work/pitest" pitest.c -lpthread -w
gzip -9nc "$work/pitest" > $out/pitest.gz
riscv64-linux-gnu-gcc -static -Os -s -o "$work/stresstest" stresstest.c -w
gzip -9nc "$work/stresstest" > $out/stresstest.gz
riscv64-linux-gnu-gcc -static -Os -s -o "$work/cgrouptest" cgrouptest.c -w
gzip -9nc "$work/cgrouptest" > $out/cgrouptest.gz
if [ -n "${RUN_LINUX:-}" ]; then
  echo 'ulimit -c 0; /proctest' | "$RUN_LINUX" -m "$work" - | tr -d '\r' > $out/proctest.txt
  echo 'ulimit -c 0; /nstest' | "$RUN_LINUX" -m -c 2 "$work" - | tr -d '\r' > $out/nstest.txt
  echo /vdsotest | "$RUN_LINUX" -m -c 2 "$work" - | tr -d '\r' > $out/vdsotest.txt
  echo /pitest | "$RUN_LINUX" -m "$work" - | tr -d '\r' > $out/pitest.txt
  echo /stresstest | "$RUN_LINUX" -m "$work" - | tr -d '\r' > $out/stresstest.txt
  echo /cgrouptest | "$RUN_LINUX" -m "$work" - | tr -d '\r' > $out/cgrouptest.txt
fi
