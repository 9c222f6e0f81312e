// npm run stress -- [options] [CLASS or STRESSOR...]: runs Debian's stress-ng in Lintel, one stressor after the other in a system that goes on as long as
// nothing is wrong with it, and tells how each ended: pass, skip (stress-ng says that it cannot run), fail, and what no stressor may do: hang, oops, halt
// (the system stopped) or throw (an exception came out of the kernel). The exit status is 1 when one of these four happened.
//   CLASS or STRESSOR  default: the classes cpu vm os filesystem scheduler interrupt pipe
//   --seconds S        how long each stressor runs (default 3), on the host's clock
//   --limit S          seconds of the host's time after which a stressor hangs (default 150)
//   --bad MODE         instead: sysbadaddr or sysinval for --seconds (default 600)
//   --json FILE        writes the results; those of stressors that did not run now are kept
//   --failures FILE    only those that neither passed nor were skipped in FILE (of --json)
//   --logs DIR         keeps what each printed, and the kernel's log
//   --docs FILE        writes the section of docs/conformance.md from the results in FILE (of --json) and runs nothing; reasons are in tests/stress/reasons.json
//   --oracle SCRIPT    runs them in real Linux instead: SCRIPT -c 2 -M 2G -t SECONDS DIR_OF_FILES DRIVER boots Debian's kernel with these files laid over its
//                      initramfs and prints DRIVER's output; needs --files DIR, where usr/bin/stress-ng and its libraries lie
// The first run builds the image `stress` (Debian's package stress-ng and what it needs).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ask, startWorker } from './worker.mjs';

const ROOT = new URL('..', import.meta.url);
const LINUX = new URL('tests/fixtures/stress/linux-6.12.json', ROOT);
const CLASSES = ['cpu', 'vm', 'os', 'filesystem', 'scheduler', 'interrupt', 'pipe'];
const MODES = { sysbadaddr: '--sysbadaddr 1', sysinval: '--sysinval 1 --pathological' };
const SYSTEM = { image: 'stress', memory: '1G', cpus: 2 };
const BROKEN = ['hang', 'oops', 'halt', 'throw'];
const TROUBLE = /BUG:|Oops|WARNING:|Kernel panic|general protection|Unable to handle/;
const SETUP =
  'mkdir -p /tmp /dev/shm; mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /dev/shm 2>/dev/null; ip link set lo up 2>/dev/null; true';
const commandOf = (stressor, seconds) =>
  `cd /tmp; ulimit -c 0; exec stress-ng ${MODES[stressor] ?? `--${stressor} 1`} --timeout ${seconds}s --temp-path /tmp --oomable 2>&1`;

/** What stress-ng's exit status (stress-ng(1), EXIT STATUS) and its summary say. */
function verdict(status, output) {
  const count = (word) => Number(new RegExp(`${word}: ([0-9]+)`).exec(output)?.[1] ?? 0);
  if (count('failed') > 0 || status === 2) return 'fail';
  if (status === 3 || status === 4 || (count('skipped') > 0 && count('passed') === 0)) return 'skip';
  return status === 0 || status === 7 ? 'pass' : `exit ${status}`;
}
const why = (output) =>
  output
    .split('\n')
    .filter(
      (l) =>
        /fail|skip|unimplemented|not |error|kill/i.test(l) &&
        !/(skipped|failed): 0|passed:|metrics untrustworthy|stress-ng: info: .*(dispatch|run completed)/.test(l),
    )
    .slice(0, 2)
    .map((l) => l.replace(/^stress-ng: \w+:\s+\[\d+\]\s*/, ''))
    .join(' | ');

// --- a system, in a process that can be killed when it hangs ---
async function worker() {
  const { boot } = await import(new URL('dist/index.js', ROOT));
  let vm = null;
  let seen = 0;
  process.on('message', async ({ command, timeout }) => {
    try {
      if (vm === null) {
        vm = await boot(SYSTEM);
        await vm.run(['sh', '-c', SETUP]);
      }
      const r =
        command === null
          ? await vm.run(['sh', '-c', `for c in ${CLASSES.join(' ')}; do stress-ng --class $c? 2>&1; done`])
          : await vm.run(['sh', '-c', command], { timeout });
      const log = vm.dmesg().split('\n');
      const news = log.slice(Math.min(seen, log.length));
      seen = log.length;
      process.send({ status: r.exitCode, timedOut: r.timedOut, halted: r.halted, output: r.stdout + r.stderr, log: news.join('\n') });
    } catch (e) {
      process.send({ error: String(e?.stack ?? e), output: '', log: vm?.dmesg() ?? '' });
    }
  });
}

async function main() {
  const { values: opt, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string' },
      limit: { type: 'string', default: '150' },
      bad: { type: 'string' },
      json: { type: 'string' },
      failures: { type: 'string' },
      logs: { type: 'string' },
      oracle: { type: 'string' },
      files: { type: 'string' },
      docs: { type: 'string' },
    },
  });
  if (opt.docs !== undefined) return writeDocs(opt.docs);
  if (opt.bad !== undefined && MODES[opt.bad] === undefined) throw new Error(`--bad wants one of ${Object.keys(MODES).join(' ')}`);
  const seconds = Number(opt.seconds ?? (opt.bad === undefined ? 3 : 600));
  const limit = Number(opt.limit) + seconds;
  ensureImage();
  const host = new Host(limit);
  const wanted = opt.bad !== undefined ? [opt.bad] : choose(await host.classes(), positionals);
  const before = opt.failures === undefined ? null : JSON.parse(readFileSync(opt.failures, 'utf8')).stressors;
  const list = wanted.filter((n) => before === null || !['pass', 'skip'].includes(before[n]?.[0]));
  if (opt.logs !== undefined) mkdirSync(opt.logs, { recursive: true });
  const linux = existsSync(LINUX) ? JSON.parse(readFileSync(LINUX, 'utf8')).stressors : {};
  const results = {};
  const done = (name, r) => {
    results[name] = r.why === '' ? [r.verdict] : [r.verdict, r.why.slice(0, 200)];
    const expected = linux[name]?.[0];
    const mark = BROKEN.includes(r.verdict)
      ? '!'
      : opt.oracle !== undefined || expected === undefined || expected === r.verdict
        ? ' '
        : '~';
    console.log(
      `${mark} ${r.verdict.padEnd(5)} ${name.padEnd(18)} ${String(r.seconds).padStart(4)}s ${mark === '~' ? `(Linux: ${expected}) ` : ''}${r.why.slice(0, 160)}`,
    );
    if (opt.logs !== undefined) writeFileSync(join(opt.logs, `${name}.txt`), `${r.output}\n--- log\n${r.log}\n`);
    if (opt.json !== undefined) saveJson(opt.json, results, seconds);
  };
  if (opt.oracle !== undefined) runOracle(opt.oracle, opt.files, list, seconds, done);
  else for (const name of list) done(name, await host.run(name, seconds));
  host.end();
  const count = (v) => Object.values(results).filter((r) => r[0] === v).length;
  const broken = BROKEN.reduce((n, v) => n + count(v), 0);
  const rest = list.length - count('pass') - count('skip') - count('fail') - broken;
  console.log(
    `${list.length} stressors: ${count('pass')} pass, ${count('skip')} skip, ${count('fail')} fail, ${rest} other, ${broken} broke the kernel`,
  );
  process.exit(broken > 0 ? 1 : 0);
}

/** Systems, one at a time. */
class Host {
  child = null;
  constructor(limit) {
    this.limit = limit;
  }
  async ask(command, timeout) {
    this.child ??= startWorker(fileURLToPath(import.meta.url));
    return { output: '', log: '', ...(await ask(this.child, { command, timeout }, this.limit * 1000 + 20_000)) };
  }
  end() {
    this.child?.kill('SIGKILL');
    this.child = null;
  }
  async classes() {
    const { output, error } = await this.ask(null, 60_000);
    if (error !== undefined) throw new Error(error);
    const classes = {};
    for (const m of output.matchAll(/^class '(\S+)' stressors: (.*)$/gm)) classes[m[1]] = m[2].trim().split(/\s+/);
    return classes;
  }
  async run(name, seconds) {
    const started = performance.now();
    const r = await this.ask(commandOf(name, seconds), this.limit * 1000);
    const trouble = r.log.split('\n').filter((l) => TROUBLE.test(l));
    let result = verdict(r.status, r.output);
    if (r.error !== undefined) result = 'throw';
    else if (r.halted !== undefined) result = 'halt';
    else if (r.hang || r.timedOut) result = 'hang';
    else if (trouble.length > 0) result = 'oops';
    if (BROKEN.includes(result)) this.end();
    const reason = r.error ?? (trouble.length > 0 ? trouble[0] : result === 'pass' ? '' : why(r.output));
    return {
      verdict: result,
      why: reason.split('\n').slice(0, 3).join(' '),
      seconds: Math.round((performance.now() - started) / 1000),
      output: r.output,
      log: `${r.error ?? ''}\n${r.log}`,
    };
  }
}

/** Stressors of the classes and names that were asked for, in stress-ng's order, each once. */
function choose(classes, words) {
  const names = (words.length > 0 ? words : CLASSES).flatMap((w) => classes[w] ?? [w]);
  return [...new Set(names)].sort();
}
function ensureImage() {
  const cli = fileURLToPath(new URL('bin/lintel.js', ROOT));
  const list = execFileSync(process.execPath, [cli, 'image', 'list'], { encoding: 'utf8' });
  if (/^stress\t/m.test(list)) return;
  execFileSync(process.execPath, [cli, 'image', 'build', 'stress', '--packages', 'stress-ng,bash,coreutils,procps'], { stdio: 'inherit' });
}
function saveJson(file, results, seconds) {
  const old = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).stressors : {};
  const rows = Object.entries({ ...old, ...results })
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, r]) => `${JSON.stringify(name)}: ${JSON.stringify(r)}`);
  writeFileSync(file, `{"command": "node scripts/stress.mjs --seconds ${seconds} --json FILE", "stressors": {\n${rows.join(',\n')}\n}}\n`);
}

/** The section "stress-ng" of docs/conformance.md. */
function writeDocs(file) {
  const here = JSON.parse(readFileSync(file, 'utf8')).stressors;
  const linux = JSON.parse(readFileSync(LINUX, 'utf8')).stressors;
  const reasons = JSON.parse(readFileSync(new URL('tests/stress/reasons.json', ROOT), 'utf8'));
  const names = Object.keys(here).filter((n) => MODES[n] === undefined);
  const of = (results, ...verdicts) => names.filter((n) => verdicts.includes(results[n]?.[0]));
  const differ = names.filter((n) => linux[n] !== undefined && linux[n][0] !== here[n][0]);
  const out = [
    `Debian's package (0.19.02), unmodified, on the host's clock: \`stress-ng --NAME 1 --timeout 3s\` for each of the ${names.length} stressors of the classes ${CLASSES.join(' ')}, one after the other in`,
    'one system (2 CPUs, 1 GiB) that goes on as long as nothing is wrong with it, compared with real Linux 6.12 (QEMU, 2 CPUs, 2 GiB, initramfs with tmpfs on /tmp).',
    `**${of(here, 'pass').length} pass, ${of(here, 'skip').length} are skipped, ${of(here, 'fail').length} fail; ${of(here, ...BROKEN).length} broke the kernel** (an exception out of it, a hang, an oops, a halt).`,
    `${names.length - differ.length} end as in real Linux. Made by \`npm run stress -- --json FILE\`, then \`--docs FILE\`; \`--bad sysbadaddr\` and \`--bad sysinval\` (with --pathological) run the two`,
    `that pass bad addresses and arguments to all system calls: ${Object.keys(MODES).map((m) => `${m} ${here[m]?.[0] ?? 'not run'}`).join(', ')}, ten minutes each (this stress-ng has no --sysfuzz).`,
    '',
    '| differs | here | real Linux | why |',
    '|---|---|---|---|',
    ...differ.map((n) => `| ${n} | ${here[n][0]} | ${linux[n][0]} | ${reasons[n] ?? 'not looked into yet'} |`),
    '',
    `Skipped in both: ${of(here, 'skip').filter((n) => linux[n]?.[0] === 'skip').join(' ')}.`,
    '',
    `Pass in both: ${of(here, 'pass').filter((n) => linux[n]?.[0] === 'pass').join(' ')}.`,
  ];
  const page = new URL('docs/conformance.md', ROOT);
  const [begin, end] = ['<!-- stress: made by scripts/stress.mjs --docs -->', '<!-- end of stress -->'];
  const old = readFileSync(page, 'utf8');
  const section = `## stress-ng\n\n${begin}\n${out.join('\n')}\n${end}\n`;
  const at = old.indexOf('## stress-ng');
  writeFileSync(page, at < 0 ? `${old}\n${section}` : `${old.slice(0, at)}${section}${old.slice(old.indexOf(end) + end.length + 1)}`);
}

/** All of them in one boot of real Linux. */
function runOracle(script, files, list, seconds, done) {
  if (files === undefined) throw new Error('--oracle wants --files');
  const work = mkdtempSync(join(tmpdir(), 'lintel-stress-'));
  try {
    const driver = join(work, 'driver.sh');
    const one = (n) =>
      `timeout -s KILL ${seconds + 60} sh -c '${commandOf(n, seconds)}' > /run/out; echo "=== ${n} $?"; head -c 3000 /run/out`;
    writeFileSync(driver, `export PATH=/usr/sbin:/usr/bin:/sbin:/bin\nmkdir -p /run\n${SETUP}\n${list.map(one).join('\n')}\n`);
    const out = execFileSync(script, ['-c', '2', '-M', '2G', '-t', String(list.length * (seconds + 20)), files, driver], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    for (const part of out.split(/^=== /m).slice(1)) {
      const [, name, status] = /^(\S+) (\d+)\n/.exec(part);
      const output = part.slice(part.indexOf('\n') + 1);
      done(name, {
        verdict: verdict(Number(status), output),
        why: verdict(Number(status), output) === 'pass' ? '' : why(output),
        seconds,
        output,
        log: '',
      });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

await (process.argv[2] === '--worker' ? worker() : main());
