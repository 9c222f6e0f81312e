// The command as a user sees it: child processes of `node bin/lintel.js`, their exit statuses, streams, signals and terminals.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { cachePath } from '../dist/image/cache.js';

const LINTEL = join(import.meta.dirname, '../bin/lintel.js');
const LIMIT = 60_000;

/** Runs lintel to its end. */
function lintel(args, options = {}) {
  const r = spawnSync(process.execPath, [LINTEL, ...args], { encoding: 'utf8', timeout: LIMIT, maxBuffer: 1 << 26, input: '', ...options });
  return { status: r.status, signal: r.signal, stdout: r.stdout, stderr: r.stderr };
}
/** Starts lintel; `done` settles with its status, signal and output. */
function start(args, options = {}) {
  const child = spawn(process.execPath, [LINTEL, ...args], { timeout: LIMIT, ...options });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text) => {
      out[name] += text;
    });
  }
  const done = new Promise((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, ...out }));
  });
  const shows = async (text) => {
    while (!out.stdout.includes(text)) await new Promise((r) => setTimeout(r, 20));
  };
  return { child, done, shows };
}
function scratch(t) {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-cli-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
const exits = (args, status, more = {}) => {
  const r = lintel(args, more);
  assert.equal(r.status, status, `${args.join(' ')}: ${r.stderr}`);
  return r;
};
/** A failure of Lintel: 125, nothing on standard output, one line (and for a wrong command line a second one that names --help). */
function refuses(args, message, more = {}) {
  const r = exits(args, 125, more);
  assert.equal(r.stdout, '');
  const lines = r.stderr.split('\n').filter((l) => l !== '' && !/^(fetching|unpacking|writing) /.test(l));
  assert.match(lines[0], message);
  assert.match(lines[0], /^lintel: /);
  assert.deepEqual(
    lines.slice(1).filter((l) => l !== "Try 'lintel --help'."),
    [],
  );
}

test('uname says what Debian says', () => {
  const r = exits(['run', '--', 'uname', '-srm'], 0);
  assert.match(r.stdout, /^Linux 6\.12\.\d+\+deb13-riscv64 riscv64\n$/);
  assert.equal(r.stderr, '');
});

test('exit statuses', () => {
  exits(['run', '--', 'true'], 0);
  exits(['run', '--', 'false'], 1);
  exits(['run', '--', 'sh', '-c', 'exit 123'], 123);

  exits(['run', '--', 'sh', '-c', 'kill -TERM $$'], 143);
  exits(['run', '--', 'sh', '-c', 'kill -SEGV $$'], 139);
  assert.match(exits(['run', '--', '/etc/passwd'], 126).stderr, /cannot execute/);
  assert.match(exits(['run', '--', 'no-such-command'], 127).stderr, /not found/);
});
test('124 on timeout, in real and in virtual time', () => {
  const real = exits(['run', '--timeout', '300ms', '--', 'sleep', '100'], 124);
  assert.equal(real.stderr, 'lintel: timed out after 300 ms\n');
  exits(['run', '--seed', '1', '--timeout', '50s', '--', 'sleep', '100'], 124);
  exits(['run', '--seed', '1', '--timeout', '1s', '--', 'sh', '-c', 'while :; do :; done'], 124);
  exits(['run', '--seed', '1', '--timeout', '101s', '--', 'sleep', '100'], 0);
});
test('137 when the guest runs out of memory', () => {
  const r = exits(
    ['run', '--memory', '32M', '--', 'awk', 'BEGIN { while (1) a[i++] = "0123456789012345678901234567890123456789" i }'],
    137,
  );
  assert.match(r.stderr, /out of memory/);
});
test('125 when the system stops under the command', () => {
  assert.match(exits(['run', '--', 'poweroff', '-f'], 125).stderr, /stopped before the command ended \(poweroff\)/);
});

test('wrong command lines are told in one line', () => {
  refuses(['run', '--nope', '--', 'true'], /Unknown option '--nope'/);
  refuses(['frobnicate'], /unknown command 'frobnicate'/);
  refuses(['run'], /run wants a command/);
  refuses(['run', 'word', '--', 'true'], /unexpected 'word' before --/);
  refuses(['run', '--cpus', '9', '--', 'true'], /--cpus wants a whole number from 1 to 8/);
  refuses(['run', '--seed', 'x', '--', 'true'], /--seed wants a whole number/);
  refuses(['run', '--seed'], /--seed/);
  refuses(['run', '--memory', '7', '--', 'true'], /memory must lie between 16M and 3840M/);
  refuses(['run', '--memory', 'much', '--', 'true'], /not a size of memory/);
  refuses(['run', '--timeout', 'soon', '--', 'true'], /not a time/);
  refuses(['image'], /image wants/);
  refuses(['kmod'], /kmod wants/);
});
test('--help and --version', () => {
  const help = exits(['--help'], 0);
  for (const option of ['--memory', '--cpus', '--image', '--append', '--seed', '--timeout', '--quiet', '--json'])
    assert.match(help.stdout, new RegExp(option));
  assert.match(exits(['--version'], 0).stdout, /^lintel \d+\.\d+\.\d+ \(Linux 6\.12/);
});

test('images that cannot be booted', (t) => {
  const dir = scratch(t);
  const file = (name, data) => {
    writeFileSync(join(dir, name), data);
    return join(dir, name);
  };
  const image = (what) => ['run', '--image', what, '--', 'true'];
  refuses(image('no-such-image'), /there is no image 'no-such-image'/);
  refuses(image(join(dir, 'missing.cpio')), /does not exist/);
  refuses(image(dir), /is a directory/);
  const header = (name, data) => {
    const fields = [1, 0o100644, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const head = `070701${fields.map((n) => n.toString(16).padStart(8, '0')).join('')}${name}\0`;
    return head + '\0'.repeat((4 - (head.length % 4)) % 4) + data + '\0'.repeat((4 - (data.length % 4)) % 4);
  };
  const archive = header('file', 'contents') + header('TRAILER!!!', '');
  refuses(image(file('noinit.cpio', archive)), /No working init found/);
  refuses(image(file('cut.cpio.gz', gzipSync(archive).subarray(0, 30))), /is not a whole gzip file/);
  refuses(image(file('cut.cpio', archive.slice(0, 118))), /cannot be unpacked: unexpected end of archive/);
  refuses(image(file('empty.cpio', '')), /No working init found/);
  refuses(image(file('random.cpio', Buffer.from('not an archive at all'))), /cannot be unpacked/);
  refuses(
    ['run', '--memory', '16M', '--image', file('big.cpio', header('big', 'x'.repeat(20 << 20))), '--', 'true'],
    /does not fit in 16M/,
  );
  if (process.getuid() !== 0) {
    const secret = file('secret.cpio', archive);
    chmodSync(secret, 0);
    refuses(image(secret), /cannot read image/);
  }
});
test('a cache that cannot be written', (t) => {
  const dir = scratch(t);
  const cache = join(dir, 'file');
  writeFileSync(cache, '');
  // Mirrors are out of the picture: the packages are there, the image is not.
  const env = (path) => ({ env: { ...process.env, LINTEL_CACHE: path } });
  refuses(['run', '--', 'true'], /cannot write .*ENOTDIR/, env(cache));
  refuses(['run', '--', 'true'], /cannot write .*ENOENT/, env('/proc/lintel'));
  if (process.getuid() === 0) {
    const tiny = join(dir, 'tiny');
    mkdirSync(tiny);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', tiny]).status !== 0) return;
    try {
      refuses(['run', '--', 'true'], /cannot write .*no space left/, env(tiny));
    } finally {
      spawnSync('umount', [tiny]);
    }
  }
});
test('the compiled code of a run is kept for the next; a damaged entry is made anew', (t) => {
  const env = { env: { ...process.env, LINTEL_CACHE: scratch(t) } };
  symlinkSync(cachePath('images'), join(env.env.LINTEL_CACHE, 'images'));
  const hello = () => assert.equal(exits(['run', '--', 'echo', 'hello'], 0, env).stdout, 'hello\n');
  const kept = join(env.env.LINTEL_CACHE, 'v8');
  exits(['--version'], 0, env);
  assert.equal(existsSync(kept), false, 'nothing worth keeping was compiled');
  hello();
  const [name, ...more] = readdirSync(kept);
  assert.deepEqual(more, []);
  const path = join(kept, name);
  const code = readFileSync(path);
  hello();
  assert.deepEqual(readFileSync(path), code, 'the second run took it as it was');
  for (const damage of [(b) => b.subarray(0, 1000), (b) => b.fill(0x5a, 5000, 9000), () => Buffer.alloc(0)]) {
    writeFileSync(path, damage(Buffer.from(code)));
    hello();
    const anew = readFileSync(path);
    assert.deepEqual(createHash('sha256').update(anew.subarray(32)).digest(), anew.subarray(0, 32));
    assert.ok(anew.length > code.length / 2);
  }
  // Another version of Node, or of the bundle, has an entry of its own; the oldest go.
  for (let i = 0; i < 12; i++) writeFileSync(join(kept, `older-${i}`), '');
  rmSync(path);
  hello();
  assert.equal(readdirSync(kept).length, 8);
});
test('--json reports everything of the run', () => {
  const r = exits(['run', '--json', '--', 'sh', '-c', 'cat; echo err >&2; exit 4'], 4, { input: 'in' });
  const report = JSON.parse(r.stdout);
  assert.equal(report.stdout, 'in');
  assert.equal(report.stderr, 'err\n');
  assert.equal(report.exitCode, 4);
  assert.equal(report.signal, null);
  assert.ok(report.instructions > 100_000);
  assert.match(report.dmesg, /Linux version 6\.12/);
});
test('one seed, one run: instructions and log; another seed interleaves otherwise', () => {
  const run = (seed, cpus) => {
    const script = 'for i in 1 2 3; do (seq 300 | sort -r | md5sum; for j in $(seq 30); do echo $i; done) & done; wait; insmod /nothing';
    const { instructions, dmesg, stdout } = JSON.parse(
      lintel(['run', '--json', '--seed', String(seed), '--cpus', String(cpus), '--', 'sh', '-c', script]).stdout,
    );
    return { instructions, dmesg, stdout };
  };
  assert.deepEqual(run(7, 4), run(7, 4));
  assert.deepEqual(run(7, 1), run(7, 1));
  assert.notEqual(new Set([7, 8, 9].map((seed) => run(seed, 4).stdout)).size, 1);
});

test('a megabyte goes through, every byte value, both ways', () => {
  const input = Buffer.alloc(1 << 20);
  for (let i = 0; i < input.length; i++) input[i] = (Math.imul(i, 2654435761) >>> 13) & 0xff;
  for (const seed of [[], ['--seed', '1']]) {
    const r = spawnSync(process.execPath, [LINTEL, 'run', ...seed, '--', 'cat'], { input, maxBuffer: 1 << 26, timeout: LIMIT });
    assert.equal(r.status, 0);
    assert.ok(r.stdout.equals(input));
  }
});
test('standard input that ends, that is not read, and that never ends', () => {
  assert.equal(exits(['run', '--', 'cat'], 0).stdout, '');
  assert.equal(exits(['run', '--', 'head', '-c', '3'], 0, { input: 'x'.repeat(1 << 20) }).stdout, 'xxx');
  exits(['run', '--', 'true'], 0, { input: 'x'.repeat(1 << 20) });
  const r = spawnSync('sh', ['-c', `"${process.execPath}" "${LINTEL}" run -- head -c 5 </dev/zero | wc -c`], {
    encoding: 'utf8',
    timeout: LIMIT,
  });
  assert.equal(r.stdout.trim(), '5');
});
test('a reader that leaves ends the command by SIGPIPE', () => {
  const r = spawnSync('bash', ['-c', `"${process.execPath}" "${LINTEL}" run -- yes | head -n 1; echo "\${PIPESTATUS[0]}"`], {
    encoding: 'utf8',
    timeout: LIMIT,
  });
  assert.equal(r.stdout, 'y\n141\n');
  assert.equal(r.stderr, '');
});
test('a full standard output is told', () => {
  if (!existsSync('/dev/full')) return;
  const r = spawnSync('sh', ['-c', `"${process.execPath}" "${LINTEL}" run -- yes >/dev/full`], { encoding: 'utf8', timeout: LIMIT });
  assert.equal(r.status, 141);
  assert.match(r.stderr, /^lintel: cannot write to descriptor 1: ENOSPC/);
});

test('SIGINT and SIGTERM reach the command', async () => {
  const script = 'trap "echo int; exit 5" INT; trap "echo term; exit 6" TERM; echo ready; while :; do sleep 0.1; done';
  for (const [signal, word, status] of [
    ['SIGINT', 'int', 5],
    ['SIGTERM', 'term', 6],
  ]) {
    const run = start(['run', '--', 'sh', '-c', script]);
    await run.shows('ready');
    run.child.kill(signal);
    const r = await run.done;
    assert.equal(r.stdout, `ready\n${word}\n`);
    assert.equal(r.status, status);
  }
  const plain = start(['run', '--', 'sh', '-c', 'echo ready; exec sleep 100']);
  await plain.shows('ready');
  plain.child.kill('SIGINT');
  assert.equal((await plain.done).status, 130);
});
test('a command that ignores signals ends by the second SIGINT, or some time after SIGTERM', async () => {
  const script = 'trap "" INT TERM; echo ready; while :; do :; done';
  const twice = start(['run', '--', 'sh', '-c', script]);
  await twice.shows('ready');
  twice.child.kill('SIGINT');
  await new Promise((r) => setTimeout(r, 100));
  twice.child.kill('SIGINT');
  assert.equal((await twice.done).signal, 'SIGINT');
  const term = start(['run', '--', 'sh', '-c', script]);
  await term.shows('ready');
  term.child.kill('SIGTERM');
  assert.equal((await term.done).signal, 'SIGTERM');
});

const haveScript = spawnSync('script', ['--version']).error === undefined;
/** Runs a shell command on a pseudoterminal of the host, types what `keys` says when the text before it has been shown. */
async function onTerminal(command, keys) {
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    timeout: LIMIT,
    env: { ...process.env, TERM: 'dumb', SHELL: '/bin/sh' },
  });
  let shown = '';
  let from = 0;
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text) => {
    shown += text;
  });
  const done = new Promise((resolve) => {
    child.on('close', (status) => resolve(status));
  });
  let over = false;
  done.then(() => {
    over = true;
  });
  for (const [expected, typed] of keys) {
    const started = performance.now();
    let at = -1;
    // What came last counts too: the text is looked at once more after the end.
    while ((at = shown.indexOf(expected, from)) < 0 && !over) {
      assert.ok(performance.now() - started < LIMIT, `no ${JSON.stringify(expected)} in ${JSON.stringify(shown)}`);
      await new Promise((r) => setTimeout(r, 10));
    }
    assert.ok(at >= 0, `ended before ${JSON.stringify(expected)}: ${JSON.stringify(shown)}`);
    from = at + expected.length;
    if (typed !== '') child.stdin.write(typed);
  }
  return { status: await done, shown: shown.replaceAll('\r', '') };
}
const quoted = (words) => [process.execPath, LINTEL, ...words].map((w) => `'${w}'`).join(' ');
const modes = 'stty -a | grep -o -e "[-]*icanon" -e "[-]*echo " | tr "\\n" " "';

// Typed too early a ^C or ^Z would meet the shell's line editor, as in real Linux: the program says when it runs.
const waiting = 'sh -c "echo go; read x; echo got"';

test('run on a terminal gives the command one: its size, job control, modes restored', { skip: !haveScript }, async () => {
  const command = `stty rows 30 cols 100; ${quoted(['run', '--', 'sh', '-i'])}; echo "status $?"; ${modes}`;
  const { shown } = await onTerminal(command, [
    ['# ', 'tty; stty size; echo $TERM\r'],
    ['dumb', ''],
    ['# ', `${waiting}\r`],
    ['\ngo', '\x03'],
    ['# ', `${waiting}\r`],
    ['\ngo', '\x1a'],
    ['Stopped', 'jobs; kill -9 %1; sleep 0.2; echo status-$?\r'],
    ['\nstatus-', ''],
    ['# ', 'exit 9\r'],
    ['icanon', ''],
  ]);
  assert.match(shown, /\/dev\/pts\/0\n30 100\ndumb\n/);
  assert.match(shown, /\^C/);
  assert.match(shown, /\^Z\[1\]\+ +Stopped +sh -c/);
  assert.match(shown, /status 9\n/);
  assert.match(shown, /(?<!-)icanon/);
  assert.match(shown, /(?<!-)echo /);
});
test('the shell of lintel itself: boots, job control, window size, poweroff at exit, modes restored', { skip: !haveScript }, async () => {
  const command = `stty rows 33 cols 90; ${quoted(['--quiet'])}; echo "status $?"; ${modes}`;
  const { shown } = await onTerminal(command, [
    ['# ', 'stty size; tty\r'],
    ['# ', `${waiting}\r`],
    ['\ngo', '\x1a'],
    ['Stopped', 'fg\r'],
    ['echo go', 'word\r'],
    ['\r\ngot', ''],
    ['# ', 'exit\r'],
    ['icanon', ''],
  ]);
  assert.match(shown, /33 90\n\/dev\/ttyS0\n/);
  assert.match(shown, /status 0\n/);
  assert.match(shown, /(?<!-)icanon/);
});
test('Ctrl-] twice leaves a guest that hangs', { skip: !haveScript }, async () => {
  const { shown } = await onTerminal(
    `${quoted(['run', '--', 'sh', '-c', 'trap "" INT HUP; echo ready; while :; do :; done'])}; echo "status $?"`,
    [
      ['ready', '\x1d\x1d'],
      ['status', ''],
    ],
  );
  assert.match(shown, /status 130\n/);
});
