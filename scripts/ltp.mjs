// npm run ltp -- DIR [options] [NAME...]: runs system call tests of the Linux Test Project in Lintel, each in a system of its own, and compares
// them with what real Linux answered. DIR is a built LTP source tree for riscv64 (statically linked programs); nothing of it is kept here.
//   NAME...           only these tests of runtest/syscalls and runtest/syscalls-ipc; NAME* = all that begin so
//   --limit S         seconds of the host's time for one test (default 60); more is a hang
//   --clock host      the system's time is the host's (default: virtual, seed 1): for tests that count seconds, where each instruction is a nanosecond
//   --jobs N          systems at the same time (default 2)
//   --logs DIR        keeps what each test printed
//   --json FILE       writes the results; those of tests that did not run now are kept
//   --failures FILE   only the tests that real Linux passes and that FILE (of --json) does not
//   --oracle SCRIPT   runs them in real Linux instead; SCRIPT is called as SCRIPT -m -c 2 -M 2G -t SECONDS OVERLAY_DIR DRIVER, boots
//                     Debian's kernel with OVERLAY_DIR laid over a BusyBox initramfs, and prints DRIVER's output
//   --docs FILE       writes the section of docs/conformance.md from the results in FILE (of --json) and runs nothing; what does not pass gets its
//                     reason from tests/ltp/reasons.json
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ask, startWorker } from './worker.mjs';

const ROOT = new URL('..', import.meta.url);
const LINUX = new URL('tests/fixtures/ltp/linux-6.12.json', ROOT);
const REASONS = new URL('tests/ltp/reasons.json', ROOT);
const LISTS = ['runtest/syscalls', 'runtest/syscalls-ipc'];
const BIN = '/opt/ltp/testcases/bin';
const ORACLE_SECONDS = 100;
const BATCH = 90;
/** What tests see: stress loops a tenth as long, no colours. */
const ENV = {
  PATH: `${BIN}:/usr/sbin:/usr/bin:/sbin:/bin`,
  LTPROOT: '/opt/ltp',
  TMPDIR: '/tmp',
  HOME: '/root',
  LTP_COLORIZE_OUTPUT: 'n',
  LTP_RUNTIME_MUL: '0.1',
  KCONFIG_PATH: '/opt/ltp/config',
};

/** Status of a test from how it ended and what it printed. */
function verdict(rc, signal, output) {
  const count = (word) => output.split(word).length - 1;
  const passed = count('TPASS');
  if (signal) return { status: 'crash', passed };
  if (rc === 0) return { status: 'pass', passed };
  if (rc === 32) return { status: passed > 0 ? 'pass' : 'conf', passed };
  if (rc & 1) return { status: 'fail', passed };
  if (rc & 2) return { status: 'brok', passed };
  return { status: rc & 4 ? 'warn' : 'fail', passed };
}
const firstTrouble = (output) => /^.*(TFAIL|TBROK|TWARN).*$/m.exec(output)?.[0].replace(/^\S+\.c:\d+: /, '') ?? '';

// --- one system for one test, in a process that can be killed when it hangs ---
if (process.argv[2] === '--worker') {
  const { boot } = await import(new URL('dist/index.js', ROOT));
  process.on('message', async ({ command, files, clock }) => {
    try {
      const vm = await boot({ memory: '1G', cpus: 2, ...(clock === 'host' ? {} : { seed: 1 }) });
      await vm.run(['mkdir', '-p', BIN]);
      for (const [to, from, executable] of files) {
        vm.writeFile(to, readFileSync(from));
        if (executable) await vm.run(['chmod', '755', to]);
      }
      const r = await vm.run(['sh', '-c', `sleep 100; ip link set lo up; ulimit -c 0; exec ${command} 2>&1`], { env: ENV, cwd: '/tmp', timeout: 1_000_000 });
      const log = vm.dmesg().split('\n').filter((l) => /not implemented|BUG|Oops|WARNING|unknown system call/.test(l)).join('\n');
      vm.close();
      process.send({ rc: r.exitCode, signal: r.signal, timedOut: r.timedOut, halted: r.halted, output: r.stdout + r.stderr, log });
    } catch (e) {
      process.send({ error: String(e?.stack ?? e) });
    }
  });
} else await main();

async function main() {
  const { values: opt, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      limit: { type: 'string', default: '60' },
      jobs: { type: 'string', default: '2' },
      logs: { type: 'string' },
      json: { type: 'string' },
      failures: { type: 'string' },
      clock: { type: 'string' },
      oracle: { type: 'string' },
      docs: { type: 'string' },
    },
  });
  if (opt.docs !== undefined) return writeDocs(opt.docs);
  const [dir, ...names] = positionals;
  if (dir === undefined || !existsSync(join(dir, LISTS[0]))) {
    console.error('usage: npm run ltp -- DIR_OF_BUILT_LTP [options] [NAME...]   (scripts/ltp.mjs tells the options)');
    process.exit(2);
  }
  const tree = readTree(dir);
  let tests = tree.tests.filter((t) => names.length === 0 || names.some((n) => (n.endsWith('*') ? t.name.startsWith(n.slice(0, -1)) : t.name === n)));
  const linux = existsSync(LINUX) ? JSON.parse(readFileSync(LINUX, 'utf8')).tests : {};
  if (opt.failures !== undefined) {
    const before = JSON.parse(readFileSync(opt.failures, 'utf8')).tests;
    tests = tests.filter((t) => linux[t.name]?.[0] === 'pass' && before[t.name]?.[0] !== 'pass');
  }
  if (opt.logs !== undefined) mkdirSync(opt.logs, { recursive: true });
  const results = {};
  const done = (test, r) => {
    results[test.name] = [r.status, r.passed];
    if (opt.logs !== undefined) writeFileSync(join(opt.logs, `${test.name}.txt`), `${r.output}\n${r.log ?? ''}`);
    const want = linux[test.name]?.[0];
    const mark = opt.oracle !== undefined || want === undefined || want === r.status ? ' ' : want === 'pass' ? '!' : '~';
    console.log(`${mark} ${r.status.padEnd(5)} ${test.name.padEnd(24)} ${String(Math.round(r.seconds ?? 0)).padStart(3)}s ${r.status === 'pass' ? '' : firstTrouble(r.output).slice(0, 140)}`);
    if (opt.json !== undefined) saveJson(opt.json, results, tree.version);
  };
  if (opt.oracle !== undefined) runOracle(tree, tests, opt.oracle, done);
  else await runHere(tree, tests, Number(opt.jobs), Number(opt.limit), opt.clock, done);
  if (opt.oracle === undefined) summarize(results, linux);
}

function saveJson(file, results, version) {
  const old = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).tests : {};
  const all = Object.entries({ ...old, ...results }).sort(([a], [b]) => (a < b ? -1 : 1));
  const rows = all.map(([name, r]) => `${JSON.stringify(name)}: ${JSON.stringify(r)}`).join(',\n');
  const command = `node scripts/ltp.mjs DIR --json FILE; each row: test, status, checks passed`;
  writeFileSync(file, `{"ltp": ${JSON.stringify(version)}, "command": ${JSON.stringify(command)}, "tests": {\n${rows}\n}}\n`);
}

/** The tests of the lists whose programs were built, and where each program is. */
function readTree(dir) {
  const programs = new Map();
  const walk = (at) => {
    for (const e of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, e.name);
      if (e.isDirectory()) walk(path);
      else if (e.isFile() && statSync(path).mode & 0o100 && !/\.(py|pl|awk)$/.test(e.name)) programs.set(e.name, path);
    }
  };
  walk(join(dir, 'testcases/kernel/syscalls'));
  const tests = [];
  for (const list of LISTS) {
    for (const line of readFileSync(join(dir, list), 'utf8').split('\n')) {
      const m = /^([^#\s]\S*)\s+(\S.*)$/.exec(line);
      if (m !== null && programs.has(m[2].split(/\s/)[0]) && !tests.some((t) => t.name === m[1])) tests.push({ name: m[1], command: m[2].trim() });
    }
  }
  /** `x_64` starts `x`. */
  const isBase = (name, of) => of === `${name}_64`;
  const isTest = new Set(tests.map((t) => t.command.split(/\s/)[0]));
  /** The program of a test and its helpers: programs of its directory that are no tests themselves, and its data. */
  const files = (test) => {
    const program = programs.get(test.command.split(/\s/)[0]);
    const out = [[`${BIN}/${basename(program)}`, program, true]];
    for (const [name, path] of programs) if ((!isTest.has(name) || isBase(name, basename(program))) && dirname(path) === dirname(program)) out.push([`${BIN}/${name}`, path, true]);
    const data = join(dirname(program), 'datafiles');
    if (existsSync(data)) for (const f of readdirSync(data)) if (f !== 'Makefile') out.push([`${BIN}/datafiles-${f}`, join(data, f), false]);
    const config = join(dir, 'config');
    if (existsSync(config)) out.push(['/opt/ltp/config', config, false]);
    return out;
  };
  return { tests, files, version: readFileSync(join(dir, 'VERSION'), 'utf8').trim() };
}

async function runHere(tree, tests, jobs, limit, clock, done) {
  const queue = [...tests];
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      let worker = null;
      for (let test = queue.shift(); test !== undefined; test = queue.shift()) {
        worker ??= startWorker(fileURLToPath(import.meta.url));
        const started = performance.now();
        const answer = await ask(worker, { command: test.command, files: tree.files(test), clock }, limit * 1000);
        const seconds = (performance.now() - started) / 1000;
        if (answer.hang || answer.error) {
          worker.kill('SIGKILL');
          worker = null;
        }
        if (answer.error) done(test, { status: 'broke', passed: 0, output: answer.error, seconds });
        else if (answer.hang || answer.timedOut) done(test, { status: 'hang', passed: 0, output: answer.output ?? '', log: answer.log, seconds });
        else if (answer.halted) done(test, { status: 'halt', passed: 0, output: answer.output, log: answer.log, seconds });
        else done(test, { ...verdict(answer.rc, answer.signal, answer.output), output: answer.output, log: answer.log, seconds });
      }
      worker?.kill();
    }),
  );
}

/** Batches of tests in one boot of real Linux; a batch that does not come to its end goes on after the test that stopped it. */
function runOracle(tree, tests, script, done) {
  for (let at = 0; at < tests.length; ) {
    const batch = tests.slice(at, at + BATCH);
    const dir = mkdtempSync(join(tmpdir(), 'lintel-ltp.'));
    mkdirSync(join(dir, 'o', BIN), { recursive: true });
    for (const test of batch) {
      for (const [to, from, executable] of tree.files(test)) {
        copyFileSync(from, join(dir, 'o', to));
        if (executable) execFileSync('chmod', ['755', join(dir, 'o', to)]);
      }
    }
    const env = Object.entries(ENV).map(([k, v]) => `${k}=${v}`);
    writeFileSync(join(dir, 'o', 'opt/ltp/list'), batch.map((t) => `${t.name} ${t.command}\n`).join(''));
    const driver = `exec 9< /opt/ltp/list
ulimit -c 0
while read name command <&9; do
  cd /tmp
  timeout -s KILL ${ORACLE_SECONDS} env -i ${env.join(' ')} sh -c "exec $command" > /run/out 2>&1 < /dev/null 9<&-
  echo "@@ $name $?"
  head -c 20000 /run/out | base64 -w 0; echo
  for p in /proc/[0-9]*; do
    p=\${p#/proc/}
    [ $p -gt $$ ] && [ -s /proc/$p/cmdline ] && [ -n "$(tr -d '\\0' < /proc/$p/cmdline 2>/dev/null)" ] && kill -9 $p 2>/dev/null
  done
  rm -rf /tmp/* /dev/shm/*
done
echo @@end
`;
    writeFileSync(join(dir, 'driver'), driver);
    let text = '';
    try {
      text = execFileSync(script, ['-m', '-c', '2', '-M', '2G', '-t', '2400', join(dir, 'o'), join(dir, 'driver')], { maxBuffer: 1 << 28, encoding: 'utf8' });
    } catch (e) {
      text = e.stdout ?? '';
    }
    rmSync(dir, { recursive: true });
    let next = 0;
    const lines = text.split('\n');
    for (let i = 0; i < lines.length; i++) {
      const m = /^@@ (\S+) (\d+)$/.exec(lines[i]);
      if (m === null) continue;
      const output = Buffer.from(lines[i + 1] ?? '', 'base64').toString('latin1');
      const rc = Number(m[2]);
      const index = batch.findIndex((t) => t.name === m[1]);
      next = index + 1;
      done(batch[index], rc === 137 ? { status: 'hang', passed: 0, output } : { ...verdict(rc, rc > 128, output), output });
    }
    if (next < batch.length) {
      done(batch[next], { status: 'halt', passed: 0, output: '' });
      next++;
    }
    at += next;
  }
}

function summarize(results, linux) {
  const count = (list) => {
    const n = new Map();
    for (const [, [status]] of list) n.set(status, (n.get(status) ?? 0) + 1);
    return [...n].map(([status, k]) => `${k} ${status}`).join(', ');
  };
  const rows = Object.entries(results);
  console.log(`Lintel: ${count(rows)}`);
  const good = rows.filter(([name]) => linux[name]?.[0] === 'pass');
  const both = good.filter(([, [s]]) => s === 'pass');
  if (good.length > 0) console.log(`${both.length} of ${good.length} tests that pass in real Linux pass (${((100 * both.length) / good.length).toFixed(1)} %)`);
}

/** The section "Linux Test Project" of docs/conformance.md. */
function writeDocs(file) {
  const linux = JSON.parse(readFileSync(LINUX, 'utf8'));
  const here = JSON.parse(readFileSync(file, 'utf8')).tests;
  const reasons = JSON.parse(readFileSync(REASONS, 'utf8'));
  const good = Object.keys(linux.tests).filter((n) => linux.tests[n][0] === 'pass');
  const family = (name) => /^[a-z_]*[a-z]/.exec(name)?.[0] ?? name;
  const rows = new Map();
  for (const name of good) {
    const row = rows.get(family(name)) ?? { passed: 0, rest: [] };
    if (here[name]?.[0] === 'pass') row.passed++;
    else row.rest.push(name);
    rows.set(family(name), row);
  }
  const passed = good.filter((n) => here[n]?.[0] === 'pass').length;
  const reasonOf = (name) => {
    const key = Object.keys(reasons).find((r) => r.split(' ').some((w) => (w.endsWith('*') ? name.startsWith(w.slice(0, -1)) : w === name)));
    return key === undefined ? 'not looked into yet' : reasons[key];
  };
  const out = [
    `Version ${linux.ltp}, its lists \`syscalls\` and \`syscalls-ipc\`, each test in a system of its own (two CPUs, seed 1; those that count more seconds than they can be given there, on the host's clock), compared with the same programs in real`,
    `Linux 6.12 (QEMU, image of BusyBox only). Of ${Object.keys(linux.tests).length} tests ${good.length} pass in real Linux there (the others want devices, file systems or tools that neither has);`,
    `**${passed} of these ${good.length} pass in Lintel (${((100 * passed) / good.length).toFixed(1)} %)**. Made by \`npm run ltp -- DIR_OF_BUILT_LTP --json FILE\`, \`--failures FILE --clock host --json FILE\`, then \`--docs FILE\`.`,
    '',
    `All tests pass of: ${[...rows].filter(([, r]) => r.rest.length === 0).map(([f]) => f).sort().join(' ')}.`,
    '',
    '| not passed | why |',
    '|---|---|',
  ];
  const byReason = new Map();
  for (const r of rows.values()) for (const name of r.rest) byReason.set(reasonOf(name), [...(byReason.get(reasonOf(name)) ?? []), name]);
  for (const [reason, names] of [...byReason].sort(([, a], [, b]) => b.length - a.length)) out.push(`| ${names.sort().join(' ')} | ${reason} |`);
  const page = new URL('docs/conformance.md', ROOT);
  const [begin, end] = ['<!-- ltp: made by scripts/ltp.mjs --docs -->', '<!-- end of ltp -->'];
  const old = existsSync(page) ? readFileSync(page, 'utf8') : '# Conformance\n';
  const section = `## Linux Test Project\n\n${begin}\n${out.join('\n')}\n${end}\n`;
  const at = old.indexOf('## Linux Test Project');
  const text = at < 0 ? `${old}\n${section}` : `${old.slice(0, at)}${section}${old.slice(old.indexOf(end) + end.length + 1)}`;
  writeFileSync(page, text);
}
