// node tests/diff/record.mjs RUN_LINUX [--debian] [NAME...]: records what real Linux answers to the cases (all, or those whose name contains one
// of the words) in tests/fixtures/diff. With --debian the files of image `dev` are laid over the oracle's. RUN_LINUX is the oracle's script run-linux.sh (QEMU with Debian's kernel and BusyBox).
// Every case runs in two boots, with one CPU and with two; a case that differs between them is not deterministic: it is left out and named.
import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { exportImage } from './export.mjs';
import { ENV, FIXTURES, readCases, SETUP, SUITES, wrapper } from './suite.mjs';

const run = promisify(execFile);
const CASE_SECONDS = 60;
const OUTPUT_MAX = 60_000;

const [runLinux, ...words] = process.argv.slice(2).filter((w) => !w.startsWith('-'));
const debian = process.argv.includes('--debian');
const suite = debian ? SUITES.debian : SUITES.busybox;
if (runLinux === undefined) {
  console.error('usage: node tests/diff/record.mjs RUN_LINUX [NAME...]');
  process.exit(2);
}
const cases = readCases(suite).filter((c) => words.length === 0 || words.some((w) => c.name.includes(w)));

async function boot(cpus) {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-diff.'));
  if (debian) {
    await exportImage(suite.image, join(dir, 'o'));
    rmSync(join(dir, 'o/init'));
  }
  mkdirSync(join(dir, 'o/diff'), { recursive: true });
  copyFileSync(join(FIXTURES, 'ptyrun'), join(dir, 'o/diff/ptyrun'));
  for (const c of cases) writeFileSync(join(dir, 'o/diff', `${c.name}.sh`), c.script);
  writeFileSync(join(dir, 'o/diff/names'), cases.map((c) => `${c.name}\n`).join(''));
  writeFileSync(join(dir, 'o/diff/wrapper'), wrapper(suite));
  const env = Object.entries(ENV).map(([k, v]) => `${k}=${v}`);
  // Shell variables are read with $(cat), so nothing needs quoting here. Output goes to files: a pipe that a left-over process holds would block.
  const driver = `(${SETUP}) < /diff/ptyrun
exec 9< /diff/names
w=$(cat /diff/wrapper)
while read name <&9; do
  s=$(cat /diff/$name.sh)
  timeout ${CASE_SECONDS} env -i ${env.join(' ')} sh -c "$w" diff "$s" > /run/out.$name 2> /run/err.$name < /dev/null 9<&-
  echo "@@ $name $?"
  head -c ${OUTPUT_MAX} /run/out.$name | base64 -w 0; echo
  head -c ${OUTPUT_MAX} /run/err.$name | base64 -w 0; echo
done
echo "@@ end $(uname -r) $(busybox | head -n 1)"
`;
  writeFileSync(join(dir, 'driver'), driver);
  const { stdout } = await run(runLinux, [...(debian ? ['-M', '3G'] : ['-m']), '-c', String(cpus), '-t', '1500', join(dir, 'o'), join(dir, 'driver')], {
    maxBuffer: 1 << 28,
    encoding: 'utf8',
  });
  rmSync(dir, { recursive: true });
  const lines = stdout.split('\n');
  const results = new Map();
  let system = '';
  for (let i = 0; i < lines.length; i++) {
    const m = /^@@ (\S+) (.*)$/.exec(lines[i]);
    if (m === null) continue;
    if (m[1] === 'end') system = m[2];
    else results.set(m[1], { exit: Number(m[2]), stdout: text(lines[i + 1]), stderr: text(lines[i + 2]) });
  }
  return { results, system };
}
/** As the API of Lintel decodes it. */
const text = (base64) => Buffer.from(base64, 'base64').toString('utf8');

const [one, two] = await Promise.all([boot(1), boot(2)]);
if (one.system === '') throw new Error('the guest did not reach the end of the suite');
const file = join(FIXTURES, suite.expected);
const old = existsSync(file) && words.length > 0 ? JSON.parse(readFileSync(file, 'utf8')) : { cases: {} };
const kept = {};
const unstable = [];
for (const { name } of readCases(suite)) {
  const a = one.results.get(name);
  if (a === undefined) {
    if (old.cases[name] !== undefined) kept[name] = old.cases[name];
    continue;
  }
  if (JSON.stringify(a) === JSON.stringify(two.results.get(name))) kept[name] = a;
  else unstable.push({ name, a, b: two.results.get(name) });
}
const entries = Object.entries(kept).map(([name, r]) => `    ${JSON.stringify(name)}: ${JSON.stringify(r)}`);
writeFileSync(
  file,
  `{\n  "command": "node tests/diff/record.mjs run-linux.sh${debian ? ' --debian' : ''}",\n  "system": ${JSON.stringify(one.system)},\n  "package": ${debian ? '"image dev"' : '"busybox-static 1:1.37.0-6+b9 riscv64"'},\n  "cases": {\n${entries.join(',\n')}\n  }\n}\n`,
);
console.log(`${one.system}: ${Object.keys(kept).length} cases kept, ${unstable.length} left out`);
for (const u of unstable) console.log(`--- ${u.name}\n${JSON.stringify(u.a)}\n${JSON.stringify(u.b)}`);
