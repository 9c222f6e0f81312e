#!/bin/bash
# Records what real Linux says: make-fixture.sh RUN_LINUX ttycheck|jobcontrol, where RUN_LINUX is the lab's oracle/run-linux.sh. The fixture goes to stdout:
#   make-fixture.sh .../run-linux.sh ttycheck   > tests/fixtures/tty/ttycheck.txt
#   make-fixture.sh .../run-linux.sh jobcontrol > tests/fixtures/tty/jobcontrol.txt
set -euo pipefail
cd "$(dirname "$0")"
w=$(mktemp -d); trap 'rm -rf "$w"' EXIT
mkdir "$w/t"; for p in ttycheck ptydrive; do riscv64-linux-gnu-gcc -static -O1 -w -o "$w/t/$p" $p.c; done
cp ../../fixtures/tty/jobcontrol.keys "$w/t/"
case $2 in
  ttycheck) echo 'mkdir -p /dev/pts /tmp; mount -t devpts devpts /dev/pts 2>/dev/null; /t/ttycheck 2>&1' | "$1" -m "$w" - ;;
  jobcontrol) "$1" -m "$w" jobcontrol.sh | tr -d '\r' ;;
esac
