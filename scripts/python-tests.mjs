// npm run python-tests -- [options] [NAME...]: runs Python's own tests of the system (python3 -m test, Debian's libpython3.13-testsuite) in Lintel, each
// test file in a system of its own, and compares the outcome of every test with real Linux's. The image is built when it is not there.
//   NAME...           only these test files (default: all of FILES below)
//   -m PATTERN        only tests that match (python3 -m test's -m)
//   --limit S         seconds of the host's time for one file (default 3000); more is a hang
//   --jobs N          systems at the same time (default 1)
//   --logs DIR        keeps what each file printed
//   --json FILE       writes the outcomes; those of files that did not run now are kept
//   --oracle SCRIPT   runs them in real Linux instead and writes the fixture; SCRIPT is called as SCRIPT -c 2 -M 3G -t SECONDS OVERLAY_DIR DRIVER,
//                     boots Debian's kernel with OVERLAY_DIR laid over an initramfs, and prints DRIVER's output
//   --output FILE     instead: takes what SCRIPT printed in a run that was given up from FILE
//   --docs FILE       writes the section of docs/conformance.md from the outcomes in FILE (of --json) and runs nothing; reasons for differences are
//                     in tests/python/reasons.json
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { ask, startWorker } from './worker.mjs';

const ROOT = new URL('..', import.meta.url);
const LINUX = new URL('tests/fixtures/python/linux-6.12.json', ROOT);
const REASONS = new URL('tests/python/reasons.json', ROOT);
const COLLECT = new URL('tests/python/collect.py', ROOT);
const IMAGE = 'python-tests';
const PACKAGES = ['python3', 'libpython3.13-testsuite', 'busybox-static', 'iproute2'];
const FILES = [
  'test_os',
  'test_posix',
  'test_subprocess',
  'test_signal',
  'test_threading',
  'test_mmap',
  'test_socket',
  'test_selectors',
  'test_fcntl',
  'test_pty',
  'test_tempfile',
  'test_shutil',
  'test_multiprocessing_spawn',
];
/** Seconds of the guest's time that one file may take. */
const FILE_SECONDS = 6000;
const ENV = { PATH: '/usr/bin:/bin:/usr/sbin:/sbin', HOME: '/root', TERM: 'dumb', LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8' };
const OUTCOMES = ['ok', 'skip', 'fail', 'error', 'xfail', 'xpass'];

/** Once in each system, as root; the account files are those of every Debian. */
const SETUP = `ip link set lo up
mkdir -p /tmp /root /run /dev/shm
grep -q ' /tmp ' /proc/mounts || mount -t tmpfs tmpfs /tmp
grep -q ' /dev/shm ' /proc/mounts || mount -t tmpfs tmpfs /dev/shm
chmod 1777 /tmp /dev/shm
printf '127.0.0.1 localhost\\n::1 localhost ip6-localhost\\n' > /etc/hosts
busybox hostname localhost`;

/** One test file: results in /run/results, output in /run/log. */
const command = (file, match) =>
  `cd /tmp; rm -rf /tmp/* /dev/shm/*; mkdir w; cd w; : > /run/results; ` +
  `timeout -s KILL ${FILE_SECONDS} python3 /run/collect.py /run/results -v ${match === undefined ? '' : `-m '${match}' `}${file} < /dev/null > /run/log 2>&1`;

/** Lines "test.FILE.CLASS.METHOD OUTCOME" as { CLASS: { OUTCOME: [METHOD...] } }; the worst outcome of a name stays. */
function parseResults(text, file) {
  const worst = new Map();
  for (const line of text.split('\n')) {
    const m = /^(.+) (ok|skip|fail|error|xfail|xpass)$/.exec(line);
    if (m === null) continue;
    const name = m[1].replaceAll(`test.${file}.`, '');
    const old = worst.get(name);
    if (old === undefined || OUTCOMES.indexOf(m[2]) > OUTCOMES.indexOf(old)) worst.set(name, m[2]);
  }
  return worst;
}
/** Compact: a row per class and outcome. */
function pack(results) {
  const rows = {};
  for (const [name, outcome] of [...results].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const dot = name.startsWith('setUp') ? -1 : name.lastIndexOf('.');
    const key = `${name.slice(0, Math.max(dot, 0))} ${outcome}`.trim();
    rows[key] = `${rows[key] === undefined ? '' : `${rows[key]} `}${name.slice(dot + 1).replaceAll(' ', '_')}`;
  }
  return rows;
}
function unpack(rows) {
  const results = new Map();
  for (const [key, names] of Object.entries(rows)) {
    const [group, outcome] = key.includes(' ') ? key.split(' ') : ['', key];
    for (const n of names.split(' ')) results.set(group === '' ? n.replaceAll('_(', ' (') : `${group}.${n}`, outcome);
  }
  return results;
}

function readJson(url) {
  return existsSync(url) ? JSON.parse(readFileSync(url, 'utf8')) : { files: {} };
}
function writeOutcomes(url, head, files) {
  const text = Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([file, rows]) => `${JSON.stringify(file)}: {\n${Object.entries(rows).map(([k, v]) => `  ${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(',\n')}\n}`);
  writeFileSync(url, `{${Object.entries(head).map(([k, v]) => `${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(', ')}, "files": {\n${text.join(',\n')}\n}}\n`);
}

/** The tests whose outcome differs from real Linux's: [name, Linux's, ours]. */
function differences(linux, here) {
  const names = new Set([...linux.keys(), ...here.keys()]);
  return [...names].sort().flatMap((n) => (linux.get(n) === here.get(n) ? [] : [[n, linux.get(n) ?? 'none', here.get(n) ?? 'none']]));
}

// --- one system for one file, in a process that can be killed when it hangs ---
if (process.argv[2] === '--worker') {
  const { boot } = await import(new URL('dist/index.js', ROOT));
  process.on('message', async ({ file, match }) => {
    try {
      const vm = await boot({ memory: '2G', cpus: 2, seed: 1, image: IMAGE });
      const setup = await vm.run(['sh', '-c', SETUP], { env: ENV });
      vm.writeFile('/run/collect.py', readFileSync(COLLECT));
      const timer = setInterval(() => process.send({ progress: Buffer.from(vm.readFile('/run/results')).toString() }), 20_000);
      const r = await vm.run(['sh', '-c', command(file, match)], { env: ENV, timeout: (FILE_SECONDS + 60) * 1000 });
      clearInterval(timer);
      const text = (path) => Buffer.from(vm.readFile(path)).toString();
      const answer = r.halted ? { halted: r.halted, results: '', log: '' } : { rc: r.exitCode, results: text('/run/results'), log: text('/run/log') };
      process.send({ ...answer, setup: setup.stderr, dmesg: vm.dmesg() });
      vm.close();
    } catch (e) {
      process.send({ error: String(e?.stack ?? e) });
    }
  });
} else await main();

async function main() {
  const { values: opt, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      m: { type: 'string', short: 'm' },
      limit: { type: 'string', default: '3000' },
      jobs: { type: 'string', default: '1' },
      logs: { type: 'string' },
      json: { type: 'string' },
      oracle: { type: 'string' },
      output: { type: 'string' },
      docs: { type: 'string' },
    },
  });
  if (opt.docs !== undefined) return writeDocs(opt.docs);
  if (opt.output !== undefined) return takeOracle(readFileSync(opt.output, 'utf8'), opt);
  const unknown = positionals.filter((n) => !/^test_\w+$/.test(n));
  if (unknown.length > 0) {
    console.error(`not a test file: ${unknown.join(' ')}\nusage: npm run python-tests -- [options] [NAME...]   (scripts/python-tests.mjs tells the options)`);
    process.exit(2);
  }
  const files = positionals.length > 0 ? positionals : FILES;
  if (opt.logs !== undefined) mkdirSync(opt.logs, { recursive: true });
  const { defineImage, imagePackages, ensureImage } = await import(new URL('dist/image/image.js', ROOT));
  const say = (text) => console.error(text);
  const there = imagePackages(IMAGE);
  if (there === null || there.join() !== PACKAGES.join()) await defineImage(IMAGE, PACKAGES, () => {}, say);
  else await ensureImage(IMAGE, () => {}, say);
  if (opt.oracle !== undefined) return await runOracle(files, opt);
  await runHere(files, opt);
}

async function runHere(files, opt) {
  const linux = readJson(LINUX).files;
  const found = opt.json === undefined ? {} : readJson(opt.json).files;
  const queue = [...files];
  let [same, all] = [0, 0];
  const one = async (file) => {
    const started = performance.now();
    const worker = startWorker(fileURLToPath(import.meta.url));
    let progress = '';
    const answer = await ask(worker, { file, match: opt.m }, Number(opt.limit) * 1000, (text) => {
      progress = text;
    });
    worker.kill('SIGKILL');
    const results = parseResults(answer.results ?? progress, file);
    const expected = opt.m !== undefined || linux[file] === undefined ? results : unpack(linux[file]);
    const diff = opt.m !== undefined && linux[file] !== undefined ? differences(new Map([...unpack(linux[file])].filter(([n]) => results.has(n))), results) : differences(expected, results);
    const counts = OUTCOMES.map((o) => [o, [...results.values()].filter((r) => r === o).length]).filter(([, n]) => n > 0);
    console.log(
      `${file}: ${counts.map(([o, n]) => `${n} ${o}`).join(', ')}; exit ${answer.hang ? 'hang' : (answer.rc ?? answer.error ?? `halted: ${answer.halted}`)}; ${linux[file] === undefined ? 'not recorded' : `${diff.length} differ from Linux`}; ${Math.round((performance.now() - started) / 1000)} s`,
    );
    for (const [name, want, got] of diff) console.log(`  ${name}: Linux ${want}, Lintel ${got}`);
    const strange = (answer.dmesg ?? '').split('\n').filter((l) => /not implemented|BUG|Oops|WARNING|unknown system call/.test(l));
    if (strange.length > 0) console.log(strange.map((l) => `  ${l}`).join('\n'));
    if (opt.logs !== undefined) writeFileSync(join(opt.logs, `${file}.log`), `${answer.setup ?? ''}${answer.log ?? ''}\n${answer.results ?? progress}\n${answer.dmesg ?? ''}`);
    all += Math.max(expected.size, results.size);
    same += Math.max(expected.size, results.size) - diff.length;
    found[file] = pack(results);
    if (opt.json !== undefined && opt.m === undefined) writeOutcomes(opt.json, { command: 'node scripts/python-tests.mjs --json FILE' }, found);
  };
  await Promise.all(
    Array.from({ length: Number(opt.jobs) }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) await one(file);
    }),
  );
  console.log(`${same} of ${all} tests as in real Linux (${((100 * same) / all).toFixed(2)} %)`);
}

async function runOracle(files, opt) {
  const { exportImage } = await import(new URL('tests/diff/export.mjs', ROOT));
  const dir = mkdtempSync(join(tmpdir(), 'lintel-python.'));
  await exportImage(IMAGE, join(dir, 'o'));
  rmSync(join(dir, 'o/init'), { force: true });
  mkdirSync(join(dir, 'o/opt'), { recursive: true });
  writeFileSync(join(dir, 'o/opt/collect.py'), readFileSync(COLLECT));
  const env = Object.entries(ENV).map(([k, v]) => `${k}=${v}`);
  for (const file of files) writeFileSync(join(dir, `o/opt/${file}.sh`), `${command(file, opt.m)}\n`);
  const driver = `${SETUP}
cp /opt/collect.py /run/collect.py
for file in ${files.join(' ')}; do
  env -i ${env.join(' ')} setsid sh /opt/$file.sh
  echo "@@ $file $? $(uname -r) $(python3 --version)"
  gzip -c /run/results | base64 -w 0; echo
  gzip -c /run/log | base64 -w 0; echo
done
`;
  writeFileSync(join(dir, 'driver'), driver);
  let text = '';
  try {
    text = execFileSync(opt.oracle, ['-c', '2', '-M', '3G', '-t', '7000', join(dir, 'o'), join(dir, 'driver')], { maxBuffer: 1 << 28, encoding: 'utf8' });
  } catch (e) {
    text = e.stdout ?? '';
  }
  rmSync(dir, { recursive: true });
  takeOracle(text, opt);
}
/** What SCRIPT printed goes into the fixture. */
function takeOracle(text, opt) {
  const lines = text.split('\n');
  const fixture = readJson(LINUX);
  for (let i = 0; i < lines.length; i++) {
    const m = /^@@ (\S+) (\d+) (.*)$/.exec(lines[i]);
    if (m === null || lines[i + 3] === undefined) continue;
    const [results, log] = [1, 2].map((n) => gunzipSync(Buffer.from(lines[i + n], 'base64')).toString());
    const rows = pack(parseResults(results, m[1]));
    console.log(`${m[1]}: exit ${m[2]}, ${results.split('\n').length - 1} tests`);
    if (opt.logs !== undefined) writeFileSync(join(opt.logs, `${m[1]}.linux.log`), `${log}\n${results}`);
    if (opt.m === undefined) {
      fixture.files[m[1]] = rows;
      mkdirSync(new URL('.', LINUX), { recursive: true });
      writeOutcomes(LINUX, { command: 'node scripts/python-tests.mjs --oracle run-linux.sh', system: m[3] }, fixture.files);
    }
  }
}

/** The section "Python's tests" of docs/conformance.md. */
function writeDocs(file) {
  const linux = readJson(LINUX);
  const here = readJson(file).files;
  const reasons = readJson(REASONS);
  const out = ['| file | tests | pass in real Linux | differ in Lintel |', '|---|---|---|---|'];
  const rest = [];
  let [all, differ] = [0, 0];
  for (const [name, rows] of Object.entries(linux.files)) {
    const expected = unpack(rows);
    const diff = here[name] === undefined ? null : differences(expected, unpack(here[name]));
    all += diff === null ? 0 : expected.size;
    differ += diff?.length ?? 0;
    out.push(`| ${name} | ${expected.size} | ${[...expected.values()].filter((o) => o === 'ok').length} | ${diff === null ? 'not run' : diff.length} |`);
    for (const [test, want, got] of diff ?? []) rest.push(`| ${name}.${test} | ${want} | ${got} | ${reasons[`${name}.${test}`] ?? 'not looked into yet'} |`);
  }
  const head = [
    `\`python3 -m test -v\` of each file, as root, in a system of its own (two CPUs, seed 1), compared test by test with the same files in real Linux (QEMU; ${linux.system}).`,
    `**${all - differ} of the ${all} tests that ran have the same outcome (${((100 * (all - differ)) / all).toFixed(2)} %)**. Made by \`npm run python-tests -- --json FILE\`, then \`--docs FILE\`.`,
    '',
  ];
  const table = rest.length > 0 ? ['', '| differs | real Linux | Lintel | why |', '|---|---|---|---|', ...rest] : [];
  const page = new URL('docs/conformance.md', ROOT);
  const [title, begin, end] = ["## Python's tests", '<!-- python: made by scripts/python-tests.mjs --docs -->', '<!-- end of python -->'];
  const old = readFileSync(page, 'utf8');
  const section = `${title}\n\n${begin}\n${[...head, ...out, ...table].join('\n')}\n${end}\n`;
  const at = old.indexOf(title);
  writeFileSync(page, at < 0 ? `${old}\n${section}` : `${old.slice(0, at)}${section}${old.slice(old.indexOf(end) + end.length + 1)}`);
}
