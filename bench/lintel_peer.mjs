// Boots an initramfs whose init is the workloads and copies its console to standard output; ends when it does.
// Usage: node bench/lintel_peer.mjs INITRAMFS 'COMMAND LINE'
import { boot } from '../dist/esm/index.js';

const [image, append] = process.argv.slice(2);
const vm = await boot({
  image,
  append,
  console: true,
  memory: process.env.LINTEL_MEMORY ?? '256M',
  onConsole: (bytes) => void process.stdout.write(bytes),
});
await vm.halted;
process.stderr.write(`lintel: ${JSON.stringify(vm.statistics)}\n`);
process.exit(0);
