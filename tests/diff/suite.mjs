// The differential suites' cases and what surrounds each of them, the same in real Linux (record.mjs) and in Lintel (busybox.test.mjs,
// debian.test.mjs).
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const FIXTURES = join(here, '../fixtures/diff');

/** What the suites differ in. */
export const SUITES = {
  busybox: { cases: 'cases', expected: 'expected.json', exceptions: 'exceptions.json', image: 'base', memory: '256M', shell: 'sh' },
  debian: {
    cases: 'debian-cases',
    expected: 'debian-expected.json',
    exceptions: 'debian-exceptions.json',
    image: 'dev',
    memory: '1G',
    shell: 'bash',
  },
};

/** Every case of the suite in order: a line "=== name", then the script. */
export function readCases(suite = SUITES.busybox) {
  const cases = [];
  const names = new Set();
  for (const file of readdirSync(join(here, suite.cases)).sort()) {
    if (!file.endsWith('.txt')) continue;
    for (const part of readFileSync(join(here, suite.cases, file), 'utf8')
      .split(/^=== /m)
      .slice(1)) {
      const end = part.indexOf('\n');
      const name = part.slice(0, end).trim();
      if (names.has(name)) throw new Error(`case ${name} is there twice`);
      names.add(name);
      cases.push({ name, section: file.slice(3, -4), script: part.slice(end + 1).replace(/\n+$/, '') });
    }
  }
  return cases;
}

/** The environment of every case. */
export const ENV = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/root', TERM: 'dumb' };

/**
 * Runs once before the cases, as root. The account files are the suite's own, so that no image's contents matter.
 * Standard input: the program ptyrun.
 */
export const SETUP = `cat > /usr/bin/ptyrun && chmod 755 /usr/bin/ptyrun
printf 'root:x:0:0:root:/root:/bin/sh\\nnobody:x:65534:65534:nobody:/:/bin/sh\\n' > /etc/passwd
printf 'root:x:0:\\ndaemon:x:1:\\nnogroup:x:65534:\\n' > /etc/group
printf '127.0.0.1 localhost\\n' > /etc/hosts
rm -f /etc/profile
mkdir -p /tmp /root /mnt
grep -q ' /tmp ' /proc/mounts || mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp
busybox hostname '(none)'`;

/** Runs one case: $1 is its script. A fresh working directory, a session of its own, nothing on standard input. */
export const wrapper = (suite) =>
  `umask 022; cd /; rm -rf /tmp/diff; mkdir -p /tmp/diff/w; cd /tmp/diff/w; setsid ${suite.shell} -c "$1" ${suite.shell} </dev/null; exit $?`;

/** How each side runs a case: argv of the wrapper around `script`. */
export function wrapped(suite, script) {
  return ['sh', '-c', wrapper(suite), 'diff', script];
}

const CASE_MILLISECONDS = 120_000; // of virtual time

/** A booted system that runs cases one after the other; one that stops or hangs is replaced. Time is virtual: sleeping costs nothing. */
export class Session {
  static async start(suite = SUITES.busybox) {
    const s = new Session();
    s.suite = suite;
    await s.boot();
    return s;
  }
  async boot() {
    const { boot } = await import('../../dist/index.js');
    this.vm = await boot({ seed: 1, memory: this.suite.memory, image: this.suite.image });
    const r = await this.vm.run(['sh', '-c', SETUP], { stdin: readFileSync(join(FIXTURES, 'ptyrun')) });
    if (r.exitCode !== 0) throw new Error(`the suite's setup failed: ${r.stderr}`);
  }
  async run({ name, script }) {
    let r;
    try {
      r = await Promise.race([
        this.vm.run(wrapped(this.suite, script), { env: ENV, timeout: CASE_MILLISECONDS }),
        this.vm.halted.then((why) => ({ halted: why })),
      ]);
    } catch (error) {
      r = { halted: `exception\n${error.stack}` };
    }
    if (r.halted === undefined && !r.timedOut) {
      // What a case left in the background ends before the next one, as it had in real Linux.
      await this.vm.run(['sleep', '60']);
      return { exit: r.exitCode, stdout: r.stdout, stderr: r.stderr };
    }
    const why = r.halted === undefined ? 'timed out' : `system stopped: ${r.halted}`;
    const log = r.halted === undefined ? '' : this.vm.dmesg().split('\n').slice(-15).join('\n');
    await this.close();
    await this.boot();
    return { exit: -1, stdout: r.stdout ?? '', stderr: `${r.stderr ?? ''}\n[${name}: ${why}]\n${log}` };
  }
  async close() {
    const { auditFrames } = await import('../../dist/kernel/mm/frame_audit.js');
    if (this.vm.kernel.halted === null) assert.deepEqual(auditFrames(this.vm.kernel), []);
    await this.vm[Symbol.asyncDispose]();
  }
}

const recorded = new Map();
/** What real Linux answered, and the differences that are known, with their reasons. */
export function expectations(suite = SUITES.busybox) {
  if (!recorded.has(suite)) {
    recorded.set(suite, {
      ...JSON.parse(readFileSync(join(FIXTURES, suite.expected), 'utf8')),
      exceptions: JSON.parse(readFileSync(join(here, suite.exceptions), 'utf8')),
    });
  }
  return recorded.get(suite);
}

/** How `actual` differs from what real Linux answered to the case. */
export function compare(name, actual, suite = SUITES.busybox) {
  const { cases, exceptions } = expectations(suite);
  const expected = cases[name];
  const reason = exceptions[name] ?? null;
  if (expected === undefined) return { same: true, reason, text: 'not recorded' };
  const text = [];
  if (expected.exit !== actual.exit) text.push(`  exit status: Linux ${expected.exit}, Lintel ${actual.exit}`);
  for (const stream of ['stdout', 'stderr']) {
    if (expected[stream] !== actual[stream]) text.push(`  ${stream}:\n${lineDiff(expected[stream], actual[stream])}`);
  }
  return { same: text.length === 0, reason, text: text.join('\n') };
}

const LINES_SHOWN = 40;
/** Lines only in one of the two, by a longest common subsequence when they are short enough for it. */
function lineDiff(expected, actual) {
  const a = expected.split('\n');
  const b = actual.split('\n');
  let from = 0;
  while (from < a.length && from < b.length && a[from] === b[from]) from++;
  let [ea, eb] = [a.length, b.length];
  while (ea > from && eb > from && a[ea - 1] === b[eb - 1]) [ea, eb] = [ea - 1, eb - 1];
  const [x, y] = [a.slice(from, ea).slice(0, 200), b.slice(from, eb).slice(0, 200)];
  const best = Array.from({ length: x.length + 1 }, () => new Array(y.length + 1).fill(0));
  for (let i = x.length - 1; i >= 0; i--)
    for (let j = y.length - 1; j >= 0; j--) best[i][j] = x[i] === y[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
  const out = [];
  for (let i = 0, j = 0; i < x.length || j < y.length; ) {
    if (i < x.length && j < y.length && x[i] === y[j]) [i, j] = [i + 1, j + 1];
    else if (j >= y.length || (i < x.length && best[i + 1][j] >= best[i][j + 1])) out.push(`    Linux:  ${JSON.stringify(x[i++])}`);
    else out.push(`    Lintel: ${JSON.stringify(y[j++])}`);
  }
  if (out.length > LINES_SHOWN) out.splice(LINES_SHOWN, out.length, `    ... ${out.length - LINES_SHOWN} more`);
  return out.join('\n');
}
