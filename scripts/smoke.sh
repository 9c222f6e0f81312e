#!/bin/bash
# Builds, boots a BusyBox initramfs and runs a few lines of shell: the check before anything reaches main. A few seconds.
# The initramfs is LINTEL_SMOKE_INITRAMFS, else the one that the oracle of the lab cached; without either there is nothing to boot.
set -euo pipefail
cd "$(dirname "$0")/.."
node_modules/.bin/tsc -p tsconfig.json
exec node scripts/smoke.mjs "$@"
