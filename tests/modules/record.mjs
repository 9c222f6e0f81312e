// node tests/modules/record.mjs RUN_LINUX [SET]: builds a set's modules (without a name the set base, tests/guest/modules) and records what real Linux
// answers to the cases with them, in tests/fixtures/modules. RUN_LINUX is the oracle's script run-linux.sh (QEMU with Debian's kernel and BusyBox).
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { buildModules } from '../../dist/kmod/build.js';
import { cmdlineOf, ENV, expectations, filesOf, fixturesOf, imageOf, packModules, readCases, SETUP, sourcesOf, wrapped } from './suite.mjs';

const run = promisify(execFile);
const CASE_SECONDS = 60;
const [runLinux, set = 'base'] = process.argv.slice(2);
if (runLinux === undefined) {
  console.error('usage: node tests/modules/record.mjs RUN_LINUX [SET]');
  process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), 'lintel-modules.'));
const built = await buildModules(sourcesOf(set), { progress: () => {}, diagnostics: (text) => process.stderr.write(text), output: work });
const good = new Map(built.map((m) => [basename(m.path, '.ko'), readFileSync(m.path)]));
// Programs of the set, X.prog.c: without a C library, so that they are small enough to keep.
for (const source of readdirSync(sourcesOf(set)).filter((name) => name.endsWith('.prog.c'))) {
  const name = basename(source, '.c');
  const flags = '-O1 -Wall -nostdlib -static -ffreestanding -fno-stack-protector -fno-builtin -Wl,--no-relax,--build-id=none -s'.split(' ');
  await run('riscv64-linux-gnu-gcc', [...flags, '-o', join(work, name), join(sourcesOf(set), source)]);
  good.set(name, readFileSync(join(work, name)));
}

// Files that the set makes of its modules, kept as they are: variants.mjs beside its sources.
if (existsSync(join(sourcesOf(set), 'variants.mjs'))) {
  const { variants } = await import(join(sourcesOf(set), 'variants.mjs'));
  for (const [name, bytes] of variants(good, work)) good.set(name, bytes);
}
const cases = readCases(set);
async function boot(cpus) {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-modules.'));
  mkdirSync(join(dir, 'o/ko'), { recursive: true });
  mkdirSync(join(dir, 'o/cases'), { recursive: true });
  for (const [name, bytes] of filesOf(set, good)) writeFileSync(join(dir, 'o/ko', name), bytes);
  for (const c of cases) writeFileSync(join(dir, 'o/cases', c.name), wrapped(c.script)[2]);
  writeFileSync(join(dir, 'o/cases/names'), cases.map((c) => `${c.name}\n`).join(''));
  const env = Object.entries(ENV).map(([k, v]) => `${k}=${v}`);
  const driver = `(${SETUP})
exec 9< /cases/names
while read name <&9; do
  s=$(cat /cases/$name)
  timeout ${CASE_SECONDS} env -i ${env.join(' ')} setsid sh -c "$s" > /run/out 2> /run/err < /dev/null 9<&-
  echo "@@ $name $?"
  base64 -w 0 /run/out; echo
  base64 -w 0 /run/err; echo
done
echo "@@ end $(uname -r)"
`;
  writeFileSync(join(dir, 'driver'), driver);
  const { stdout } = await run(runLinux, [...(imageOf(set) === 'base' ? ['-m'] : []), '-c', String(cpus), '-t', '900', join(dir, 'o'), join(dir, 'driver'), ...cmdlineOf(set)], {
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  });
  rmSync(dir, { recursive: true });
  const lines = stdout.split('\n');
  const results = new Map();
  let system = '';
  const text = (base64) => Buffer.from(base64, 'base64').toString('utf8');
  for (let i = 0; i < lines.length; i++) {
    const m = /^@@ (\S+) (.*)$/.exec(lines[i]);
    if (m === null) continue;
    if (m[1] === 'end') system = m[2];
    else results.set(m[1], { exit: Number(m[2]), stdout: text(lines[i + 1]), stderr: text(lines[i + 2]) });
  }
  return { results, system };
}

const [one, two] = await Promise.all([boot(1), boot(2)]);
if (one.system === '') throw new Error('the guest did not reach the end of the suite');
const entries = [];
for (const { name } of cases) {
  const [a, b] = [one.results.get(name), two.results.get(name)];
  if (JSON.stringify(a) === JSON.stringify(b)) entries.push(`    ${JSON.stringify(name)}: ${JSON.stringify(a)}`);
  else console.log(`--- ${name} is not deterministic, left out\n${JSON.stringify(a)}\n${JSON.stringify(b)}`);
}
mkdirSync(fixturesOf(set), { recursive: true });
writeFileSync(join(fixturesOf(set), 'modules.json.gz'), packModules(good));
writeFileSync(
  join(fixturesOf(set), 'expected.json'),
  `{\n  "command": "node tests/modules/record.mjs run-linux.sh${set === 'base' ? '' : ` ${set}`}",\n  "system": ${JSON.stringify(one.system)},\n  "package": "busybox-static 1:1.37.0-6+b9 riscv64",\n  "cases": {\n${entries.join(',\n')}\n  }\n}\n`,
);
rmSync(work, { recursive: true });
console.log(`${one.system}: ${Object.keys(expectations(set).cases).length} of ${cases.length} cases recorded`);
