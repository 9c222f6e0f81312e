// node tests/panics/record.mjs RUN_LINUX: builds tests/guest/panics and records what real Linux says on the console in each way to panic, in
// tests/fixtures/panics.json. RUN_LINUX is the oracle's script run-linux.sh.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { buildModules } from '../../dist/kmod/build.js';
import { CASES, FIXTURE, masked, script } from './suite.mjs';

const [runLinux] = process.argv.slice(2);
if (runLinux === undefined) {
  console.error('usage: node tests/panics/record.mjs RUN_LINUX');
  process.exit(2);
}
const work = mkdtempSync(join(tmpdir(), 'lintel-panics-'));
const sources = new URL('../guest/panics', import.meta.url).pathname;
const [built] = await buildModules(sources, { progress: () => {}, diagnostics: (text) => process.stderr.write(text), output: work });
const bytes = readFileSync(built.path);
mkdirSync(join(work, 'o/ko'), { recursive: true });
writeFileSync(join(work, 'o/ko/pn_panic.ko'), bytes);
const cases = {};
for (const name of Object.keys(CASES)) {
  writeFileSync(join(work, 'script'), script(name));
  const log = join(work, 'log');
  await promisify(execFile)(runLinux, ['-m', '-d', '-l', log, '-t', '60', join(work, 'o'), join(work, 'script'), CASES[name][1]]).catch(() => {});
  cases[name] = masked(readFileSync(log, 'latin1'));
  console.log(`${name}: ${cases[name].length} lines`);
}
const module = gzipSync(bytes, { level: 9 }).toString('base64');
writeFileSync(FIXTURE, `${JSON.stringify({ command: 'node tests/panics/record.mjs run-linux.sh', module, cases }, null, 1)}\n`);
rmSync(work, { recursive: true });
