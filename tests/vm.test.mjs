// The library as its users call it: boot(), vm.run and the rest, against the built package.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';
import { boot } from '../dist/index.js';

let vm;
before(async () => {
  vm = await boot();
});
after(async () => {
  await vm[Symbol.asyncDispose]();
});
/** Boots for the length of `fn`. (`await using` is newer than Node 20.) */
async function withVm(options, fn) {
  const v = await boot(options);
  try {
    const result = await fn(v);
    assert.deepEqual(auditFrames(v.kernel), []);
    return result;
  } finally {
    v.close();
  }
}
const sh = (script, options) => vm.run(['sh', '-c', script], options);

test('run collects output, status and signal', async () => {
  const r = await sh('echo out; echo err >&2; exit 3');
  assert.deepEqual(r, { stdout: 'out\n', stderr: 'err\n', exitCode: 3, signal: null, timedOut: false, oomKilled: false });
  const killed = await sh('kill -USR1 $$');
  assert.deepEqual([killed.exitCode, killed.signal], [138, 10]);
  assert.equal((await vm.run(['no-such'])).exitCode, 127);
  assert.equal((await vm.run(['/etc/passwd'])).exitCode, 126);
  assert.throws(() => vm.spawn([]), TypeError);
});
test('stdin, environment and directory', async () => {
  assert.equal((await vm.run(['cat'], { stdin: 'héllo\n' })).stdout, 'héllo\n');
  assert.equal((await vm.run(['od', '-An', '-tx1'], { stdin: Uint8Array.of(0, 255, 10) })).stdout, ' 00 ff 0a\n');
  assert.equal((await vm.run(['cat'])).stdout, '');
  assert.equal((await sh('echo $A$HOME; pwd', { env: { A: 'ä', HOME: '/x' }, cwd: '/usr/bin' })).stdout, 'ä/x\n/usr/bin\n');
  const lost = await vm.run(['pwd'], { cwd: '/no/such' });
  assert.equal(lost.exitCode, 127);
});
test('a command that does not read leaves its input, and nobody else is hurt', async () => {
  const [a, b, c] = await Promise.all([
    vm.run(['head', '-c', '1'], { stdin: new Uint8Array(1 << 20) }),
    sh('sleep 0.2; echo alive'),
    sh('exec <&-; sleep 0.1; echo alive', { stdin: new Uint8Array(1 << 20) }),
  ]);
  assert.deepEqual([a.exitCode, b.stdout, c.stdout], [0, 'alive\n', 'alive\n']);
});
test('timeout and abort end the whole session', async () => {
  const late = await sh('sh -m -c "sleep 71 & sleep 72" & echo started; sleep 73', { timeout: 300 });
  assert.deepEqual([late.stdout, late.timedOut, late.exitCode, late.signal], ['started\n', true, 137, 9]);
  const controller = new AbortController();
  const running = sh('sleep 74', { signal: controller.signal });
  controller.abort();
  assert.deepEqual(await running.then((r) => [r.timedOut, r.signal]), [false, 9]);
  assert.equal((await sh('sleep 75', { signal: AbortSignal.abort() })).signal, 9);
  assert.equal((await sh('ps | grep -c "[s]leep 7"')).stdout, '0\n');
});
test('commands run at the same time', async () => {
  const started = performance.now();
  const results = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((n) => sh(`sleep 1; cat; exit ${n}`, { stdin: `${n}` })));
  assert.deepEqual(
    results.map((r) => [r.stdout, r.exitCode]),
    [1, 2, 3, 4, 5, 6, 7, 8].map((n) => [String(n), n]),
  );
  assert.ok(performance.now() - started < 7000, 'eight sleeps of one second are not eight seconds');
});
test('a spawned command is driven by its streams', async () => {
  let out = '';
  const seen = [];
  const child = vm.spawn(['sh'], {
    onStdout: async (bytes) => {
      out += Buffer.from(bytes).toString();
      await new Promise((r) => setTimeout(r, 5));
      seen.push(bytes.length);
    },
  });
  await child.write(Buffer.from('echo one; seq 30000\n'));
  await child.write(Buffer.from('trap "echo usr1" USR1; kill -USR1 $$\n'));
  child.end();
  assert.equal((await child.done).exitCode, 0);
  assert.equal(out, `one\n${Array.from({ length: 30000 }, (_, i) => `${i + 1}\n`).join('')}usr1\n`);
  assert.equal(
    seen.reduce((a, b) => a + b),
    out.length,
    'done waits for the sink',
  );
});
test('a sink that nobody drains holds the command back', async () => {
  let bytes = 0;
  let release;
  const child = vm.spawn(['yes'], {
    onStdout: (chunk) => {
      bytes += chunk.length;
      return new Promise((r) => {
        release = r;
      });
    },
  });
  await new Promise((r) => setTimeout(r, 300));
  assert.ok(bytes > 0 && bytes <= 1 << 16, `${bytes}`);
  assert.equal((await sh('echo others go on')).stdout, 'others go on\n');
  child.closeOutput(1);
  release();
  assert.equal((await child.done).signal, 13);
});
test('a command on a terminal', async () => {
  let out = '';
  const child = vm.spawn(['sh', '-c', 'tty; stty size; read x; echo "got $x"; read y; stty size; cat'], {
    terminal: { columns: 70, rows: 20 },
    onStdout: (b) => {
      out += Buffer.from(b).toString();
    },
  });
  const shows = async (text) => {
    while (!out.includes(text)) await new Promise((r) => setTimeout(r, 5));
  };
  await shows('20 70');
  child.write(Buffer.from('word\r'));
  await shows('got word');
  child.resize(99, 44);
  child.write(Buffer.from('\r'));
  await shows('44 99');
  child.write(Buffer.from('\x04'));
  assert.equal((await child.done).exitCode, 0);
  assert.match(out, /^\/dev\/pts\/\d+\r\n20 70\r\nword\r\ngot word\r\n/);
});

test('files go in and out', async () => {
  const data = new Uint8Array(300_000).map((_, i) => (i * 7) & 255);
  vm.writeFile('/tmp/data', data);
  assert.deepEqual(new Uint8Array(vm.readFile('/tmp/data')), data);
  vm.writeFile('/tmp/data', 'shört');
  assert.equal((await vm.run(['cat', '/tmp/data'])).stdout, 'shört');
  assert.match(vm.readFile('/proc/version').toString(), /^Linux version 6\.12/);
  assert.throws(() => vm.readFile('/no/such'), /ENOENT/);
  assert.throws(() => vm.readFile('/tmp'), /EISDIR/);
  assert.throws(() => vm.writeFile('/tmp', 'x'), /EISDIR/);
  assert.throws(() => vm.writeFile('/no/such', 'x'), /ENOENT/);
  await vm.run(['mkfifo', '/tmp/fifo']);
  assert.throws(() => vm.writeFile('/tmp/fifo', 'x'), /ENXIO/);
});
test('a file larger than memory is refused, and the system goes on', async () => {
  await withVm({ memory: '32M' }, async (small) => {
    assert.throws(() => small.writeFile('/tmp/big', new Uint8Array(40 << 20)), /cannot write \/tmp\/big: (ENOSPC|ENOMEM)/);
    await small.run(['rm', '-f', '/tmp/big']);
    assert.equal((await small.run(['echo', 'fine'])).stdout, 'fine\n');
  });
});
test('the log', async () => {
  const log = vm.dmesg();
  assert.match(log, /^\[ {4}0\.000000\] Linux version 6\.12\.\d+\+deb13-riscv64 /);
  assert.match(log, /Kernel command line: console=ttyS0 lintel=serve\n/);
  assert.match(log, /Run \/init as init process\n/);
});

test('memory and CPUs are what was asked for', async () => {
  for (const cpus of [1, 2, 3, 8]) {
    await withVm({ cpus, memory: '64M' }, async (many) => {
      assert.equal((await many.run(['nproc'])).stdout, `${cpus}\n`);
      assert.equal((await many.run(['grep', '-c', '^processor', '/proc/cpuinfo'])).stdout, `${cpus}\n`);
      const total = Number((await many.run(['awk', '/^MemTotal/ { print $2 }', '/proc/meminfo'])).stdout);
      assert.ok(total > 48 * 1024 && total < 64 * 1024, `${total}`);
    });
  }
  await withVm({ memory: 48 * 1024 * 1024, append: 'some.word=1 quiet' }, async (bytes) => {
    assert.match((await bytes.run(['cat', '/proc/cmdline'])).stdout, /lintel=serve some\.word=1 quiet\n$/);
  });
});
test('options that cannot be are refused', async () => {
  for (const options of [
    { memory: '1M' },
    { memory: 5 },
    { memory: Number.NaN },
    { memory: '5T' },
    { cpus: 0 },
    { cpus: 9 },
    { cpus: 1.5 },
  ])
    await assert.rejects(boot(options), /(memory|cpus)/, JSON.stringify(options));
  await assert.rejects(boot({ image: 'no-such-image' }), /there is no image 'no-such-image'/);
});
test('several systems in one process do not see each other', async () => {
  const vms = await Promise.all([1, 2, 3].map(() => boot({ memory: '32M' })));
  await Promise.all(vms.map((v, i) => v.run(['sh', '-c', `hostname vm${i}; echo ${i} > /tmp/who`])));
  const seen = await Promise.all(vms.map((v) => v.run(['sh', '-c', 'hostname; cat /tmp/who'])));
  assert.deepEqual(
    seen.map((r) => r.stdout),
    ['vm0\n0\n', 'vm1\n1\n', 'vm2\n2\n'],
  );
  for (const v of vms) await v[Symbol.asyncDispose]();
});
test('a disposed system ends its commands and gives its memory back', async () => {
  const one = await boot({ memory: '64M' });
  const pending = one.run(['sleep', '100']);
  one.close();
  assert.equal((await pending).exitCode, 125);
  assert.throws(() => one.spawn(['true']), /not running/);
  // Sixty systems of 1 GiB would not fit into this process at once.
  for (let i = 0; i < 60; i++) {
    await withVm({ memory: '1G' }, (big) => assert.ok(big.instructions > 0));
  }
});
test('commands give all memory back, also those that fail to start', async () => {
  await withVm({ seed: 1, memory: '96M' }, async (v) => {
    const busybox = Uint8Array.from(v.readFile('/bin/busybox'));
    const noEntry = busybox.slice();
    new DataView(noEntry.buffer).setBigUint64(24, 0n, true);
    const victims = [busybox, busybox.slice(0, 300_000), noEntry, new Uint8Array(100_000)];
    const free = async () => {
      await v.run(['sync']);
      return v.kernel.mm.pages.freePages;
    };
    const round = async () => {
      for (const victim of victims) {
        v.writeFile('/tmp/victim', victim);
        await v.run(['chmod', '755', '/tmp/victim']);
        await v.run(['/tmp/victim', 'true']);
        await v.run(['sh', '-c', '/tmp/victim true; /tmp/victim true | cat; (/tmp/victim true &)']);
        await v.run(['rm', '/tmp/victim']);
      }
      await v.run(['no-such-command']);
      await v.run(['sleep', '5'], { timeout: 1500 });
    };
    for (let i = 0; i < 3; i++) await round();
    const before = await free();
    for (let i = 0; i < 10; i++) await round();
    assert.equal(await free(), before);
  });
});
test('power off and a panic, end what runs', async () => {
  const off = await boot({ memory: '32M' });
  const r = await off.run(['poweroff', '-f']);
  assert.deepEqual([r.exitCode, r.halted, await off.halted], [125, 'poweroff', 'poweroff']);
  const panicked = await boot({ memory: '32M' });
  const sleeping = panicked.run(['sleep', '100']);
  panicked.kernel.panic('asked for by the test');
  assert.deepEqual([(await sleeping).halted, await panicked.halted], ['panic', 'panic']);
  assert.match(panicked.dmesg(), /Kernel panic - not syncing: asked for by the test/);
});

test('virtual time: sleeping is free, deadlines hold, full pipes do not let time pass', async () => {
  await withVm({ seed: 3, memory: '64M' }, async (v) => {
    const started = v.kernel.time.now();
    await v.run(['sleep', '3600']);
    assert.ok(v.kernel.time.now() - started >= 3600e9);
    const late = await v.run(['sleep', '100'], { timeout: 99_000 });
    assert.equal(late.timedOut, true);
    const output = await v.run(['seq', '100000'], { timeout: 2000 });
    assert.deepEqual([output.timedOut, output.stdout.length], [false, 588895]);
    const input = await v.run(['wc', '-c'], { stdin: new Uint8Array(1 << 20), timeout: 2000 });
    assert.equal(input.stdout, '1048576\n');
    const before = v.kernel.time.now();
    await v.run(['true'], { timeout: 1e9 });
    assert.ok(v.kernel.time.now() - before < 1e9, 'the end of a command is not waited out');
  });
});
test('one seed is one run; another seed interleaves otherwise', async () => {
  const script = 'for i in 1 2 3 4; do (seq 200 | sort -r | md5sum) & done; wait; sleep 1.5; date; od -N8 -tx1 /dev/urandom';
  const run = (seed, cpus) =>
    withVm({ seed, cpus, memory: '64M' }, async (v) => {
      const r = await v.run(['sh', '-c', script]);
      return { output: r.stdout, instructions: v.instructions, log: v.dmesg(), time: v.kernel.time.now() };
    });
  const runs = await Promise.all([run(5, 4), run(5, 4), run(6, 4), run(5, 1), run(5, 1)]);
  assert.deepEqual(runs[0], runs[1]);
  assert.deepEqual(runs[3], runs[4]);
  assert.notEqual(runs[0].instructions, runs[2].instructions);
  assert.notEqual(runs[0].output, runs[2].output);
});
