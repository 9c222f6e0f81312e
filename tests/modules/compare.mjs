// node tests/modules/compare.mjs RUN_LINUX DIR SCRIPT [CMDLINE WORD...]: one shell script in real Linux and in Lintel, with the files of DIR at /ko, and the
// lines that differ. For modules and programs of others, which are not kept here. RUN_LINUX is the oracle's script run-linux.sh. The script has the functions
// `log`, `mask` and `report` of suite.mjs; a line that begins with "@@ " names what follows it.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { boot } from '../../dist/index.js';
import { ENV, SETUP, wrapped } from './suite.mjs';

const [runLinux, dir, scriptFile, ...words] = process.argv.slice(2);
if (scriptFile === undefined) {
  console.error('usage: node tests/modules/compare.mjs RUN_LINUX DIR SCRIPT [CMDLINE WORD...]');
  process.exit(2);
}
const script = readFileSync(scriptFile, 'utf8');
const MEMORY = '512M';

async function linux() {
  const work = mkdtempSync(join(tmpdir(), 'lintel-compare.'));
  cpSync(dir, join(work, 'o/ko'), { recursive: true });
  writeFileSync(join(work, 'o/script'), wrapped(script)[2]);
  const env = Object.entries(ENV).map(([k, v]) => `${k}=${v}`);
  writeFileSync(join(work, 'driver'), `(${SETUP})\nenv -i ${env.join(' ')} setsid sh -c "$(cat /script)" 2>&1 < /dev/null\n`);
  const args = ['-m', '-M', MEMORY, '-t', '900', join(work, 'o'), join(work, 'driver'), ...words];
  const { stdout } = await promisify(execFile)(runLinux, args, { maxBuffer: 1 << 28 });
  rmSync(work, { recursive: true });
  return stdout;
}
async function lintel() {
  const vm = await boot({ seed: 1, memory: MEMORY, append: words.join(' ') });
  await vm.run(['mkdir', '-p', '/ko']);
  for (const name of readdirSync(dir)) vm.writeFile(`/ko/${name}`, readFileSync(join(dir, name)));
  await vm.run(['sh', '-c', `(${SETUP})`]);
  const r = await vm.run(wrapped(`exec 2>&1\n${script}`), { env: ENV, timeout: 600_000 });
  vm.close();
  return r.stdout;
}
function parts(text) {
  const all = new Map();
  let name = '';
  for (const line of text.replaceAll('\r', '').split('\n')) {
    if (line.startsWith('@@ ')) name = line.slice(3);
    else all.set(name, [...(all.get(name) ?? []), line]);
  }
  return all;
}
const [a, b] = (await Promise.all([linux(), lintel()])).map(parts);
for (const name of new Set([...a.keys(), ...b.keys()])) {
  const [x, y] = [a.get(name) ?? [], b.get(name) ?? []];
  const diff = [];
  for (let i = 0; i < Math.max(x.length, y.length); i++) if (x[i] !== y[i]) diff.push(`  ${i + 1}\n    Linux:  ${x[i]}\n    Lintel: ${y[i]}`);
  console.log(`${name}: ${diff.length === 0 ? `${x.length} lines, the same` : `${diff.length} of ${x.length} lines differ`}`);
  if (diff.length > 0) console.log(diff.slice(0, 20).join('\n'));
}
