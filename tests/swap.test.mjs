// Reclaim and swap (M69): what programs see of it against real Linux (tests/guest/mm/swaptest.c, whose answers on a RAM disk tests/guest/mm/build.sh recorded), and memory that
// is filled past RAM, with Debian's mkswap, swapon and swapoff on a file of a host directory.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { boot } from '../dist/index.js';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';
import { fixtureFiles } from './modules/suite.mjs';

const fixture = (name) => readFileSync(new URL(`fixtures/mm/${name}`, import.meta.url));

/** A system with an empty host directory at /host; `run` gives what a shell line prints. Every frame and slot must be accounted for after each. */
async function withHost(options, use) {
  const dir = mkdtempSync(join(tmpdir(), 'lintel-swap.'));
  const vm = await boot({ seed: 1, mounts: [{ host: dir, guest: '/host' }], ...options });
  const run = async (script) => {
    const r = await vm.run(['sh', '-c', script], { timeout: 600e9 });
    assert.equal(r.exitCode, 0, r.stdout + r.stderr);
    assert.deepEqual(auditFrames(vm.kernel), []);
    return r.stdout;
  };
  try {
    await use(vm, run);
  } finally {
    vm.close();
    rmSync(dir, { recursive: true });
  }
}
const swapFile = (megabytes) => `dd if=/dev/zero of=/host/swap bs=1M count=${megabytes} 2> /dev/null; chmod 600 /host/swap; mkswap /host/swap > /dev/null`;
const number = (text, name) => Number(new RegExp(`^${name}:? +(\\d+)`, 'm').exec(text)?.[1]);

for (const cpus of [1, 2])
  test(`every answer as in real Linux, ${cpus} harts`, () =>
    withHost({ memory: '64M', cpus }, async (vm, run) => {
      vm.writeFile('/swaptest', gunzipSync(fixture('swaptest.gz')));
      await run(`chmod 755 /swaptest; mount -t tmpfs tmpfs /tmp; ${swapFile(64).replace('mkswap', 'busybox mkswap')}`);
      assert.equal(await run('/swaptest /host/swap'), fixture('swaptest.txt').toString());
    }));

// Each page has words that only it has.
const FILL = `
import os, re, struct, sys
n = int(sys.argv[1]) * 256
b = bytearray(n * 4096)
word = lambda i: (i * 0x9e3779b97f4a7c15 & (2 ** 64 - 1), i)
place = lambda i: i * 4096 + 8 * (i % 500)
for i in range(n): struct.pack_into('<QQ', b, place(i), *word(i))
wrong = lambda: sum(struct.unpack_from('<QQ', b, place(i)) != word(i) for i in range(n))
print('wrong', wrong(), wrong())
for child in range(1):
    sys.stdout.flush()
    if os.fork() == 0:
        struct.pack_into('<QQ', b, place(5), 1, 2)
        print('child', wrong())
        sys.stdout.flush()
        os._exit(0)
    os.wait()
field = lambda f, name: int(re.search(name + r':\\s+(\\d+)', open(f).read()).group(1))
smaps = open('/proc/self/smaps').read()
# Pages go and come while the texts are made.
near = lambda a, b: abs(a - b) < 1024
print('smaps', near(sum(int(x) for x in re.findall(r'^Swap: +(\\d+)', smaps, re.M)), field('/proc/self/status', 'VmSwap')))
print('rss', field('/proc/self/status', 'VmSwap') + field('/proc/self/status', 'RssAnon') >= n * 4)
used = sum(int(l.split()[3]) for l in open('/proc/swaps').readlines()[1:])
print('used', near(used, field('/proc/meminfo', 'SwapTotal') - field('/proc/meminfo', 'SwapFree')))
`;
test('memory filled past RAM', () =>
  withHost({ memory: '96M', image: 'dev', cpus: 1 }, async (vm, run) => {
    vm.writeFile('/tmp/fill.py', FILL);
    await run(`${swapFile(128)}; swapon /host/swap`);
    assert.equal(await run('swapon --show=NAME,TYPE,SIZE,PRIO --noheadings'), '/host/swap file 128M -2\n');
    assert.equal(await run('python3 /tmp/fill.py 96'), 'wrong 0 0\nchild 1\nsmaps True\nrss True\nused True\n');
    const stat = await run('cat /proc/vmstat');
    const of = (name) => number(stat, name);
    assert.ok(of('pswpout') > 5000 && of('pswpin') > 5000, stat);
    assert.equal(of('pgscan_anon') + of('pgscan_file'), of('pgscan_kswapd') + of('pgscan_direct'));
    assert.equal(of('pgsteal_anon') + of('pgsteal_file'), of('pgsteal_kswapd') + of('pgsteal_direct'));
    assert.ok(of('pageoutrun') > 0 && of('allocstall_dma32') > 0 && of('workingset_refault_anon') > 0, stat);
    // A file of tmpfs larger than memory; then all that is out must come back.
    const sums = await run('mount -t tmpfs -o size=110M tmpfs /mnt; head -c 90M /dev/urandom > /mnt/a; for i in 1 2; do sha1sum < /mnt/a; done');
    const [first, second] = sums.trim().split('\n');
    assert.equal(first, second);
    assert.match((await vm.run(['swapoff', '/host/swap'])).stderr, /Cannot allocate memory/);
    assert.deepEqual(auditFrames(vm.kernel), []);
    assert.equal(await run('sha1sum < /mnt/a'), `${first}\n`);
    await run('truncate -s 20M /mnt/a; sha1sum < /mnt/a > /tmp/part; swapoff /host/swap; sha1sum < /mnt/a | cmp - /tmp/part');
    const mem = await run('cat /proc/meminfo');
    assert.deepEqual(
      ['SwapTotal', 'SwapFree', 'SwapCached'].map((name) => number(mem, name)),
      [0, 0, 0],
    );
    await run('rm /mnt/a /host/swap');
  }));

test('caches of modules give memory back when it is short (M63)', () =>
  withHost({ memory: '64M' }, async (vm, run) => {
    vm.writeFile('/hog', gunzipSync(fixture('hog.gz')));
    vm.writeFile('/lr_shrink.ko', fixtureFiles('reclaim').get('lr_shrink.ko'));
    // More than is free, unless the cache shrinks: 300,000 objects of 64 bytes.
    const before = number(await run('chmod 755 /hog; insmod /lr_shrink.ko objects=300000; cat /proc/meminfo'), 'MemFree');
    const hog = Math.ceil(before / 1024) + 4;
    const out = await run(`/hog ${hog} went on; cd /sys/module/lr_shrink/parameters; for i in held freed asked; do echo $i $(cat $i); done; cat /proc/vmstat; rmmod lr_shrink`);
    assert.match(out, /^went\n/);
    assert.equal(number(out, 'held') + number(out, 'freed'), 300000);
    assert.ok(number(out, 'freed') > 60000, out);
    assert.equal(number(out, 'slabs_scanned'), number(out, 'asked'));
    assert.equal(number(out, 'oom_kill'), 0);
    assert.ok(number(out, 'pageoutrun') > 0);
  }));

test('when swap is full a process is killed', () =>
  withHost({ memory: '96M', image: 'dev', cpus: 1 }, async (vm, run) => {
    await run(`${swapFile(16)}; swapon /host/swap`);
    const r = await vm.run(['python3', '-c', 'x = [bytearray(b"x") * 5000000 for i in range(40)]'], { timeout: 600e9 });
    assert.equal(r.exitCode, 137);
    assert.deepEqual(auditFrames(vm.kernel), []);
    const log = await run('dmesg');
    assert.match(log, /Free swap {2}= \d{1,3}kB\n.*Total swap = 16380kB/);
    assert.match(log, /Out of memory: Killed process \d+ \(python3\)/);
    assert.match(await run('swapoff /host/swap; cat /proc/swaps; grep Swap /proc/meminfo'), /SwapTotal: +0 kB/);
  }));
