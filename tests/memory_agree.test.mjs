// What the system says of its memory in different places agrees, to the page (M45, M51, M53, M58): one process reads all texts at one moment and lays copies over
// them, so that Debian's tools (free, vmstat, slabtop, pmap, smem, numactl) read the same moment; the kernel's own books (frame_audit.ts) say the same.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { boot } from '../dist/index.js';
import { debFiles } from '../dist/image/deb.js';
import { fetchPinned } from '../dist/image/mirror.js';
import { auditFrames } from '../dist/kernel/mm/frame_audit.js';

const FILES = ['meminfo', 'zoneinfo', 'buddyinfo', 'pagetypeinfo', 'vmstat', 'slabinfo'].map((name) => `/proc/${name}`);
FILES.push('/sys/devices/system/node/node0/meminfo', '/sys/devices/system/node/node0/vmstat');
// Reads everything twice, so that the second time nothing has to be faulted in, and only then writes. Other processes sleep.
const SNAPSHOT = `
import glob, os
files = [*${JSON.stringify(FILES)}, *sorted(glob.glob('/proc/[0-9]*/smaps'))]
bufs = [bytearray(1 << 17) for f in files]
for b in bufs:
    for i in range(0, len(b), 4096): b[i] = 1
fds = [os.open(f, os.O_RDONLY) for f in files]
sizes = [0] * len(files)
for again in range(2):
    for i, fd in enumerate(fds):
        os.lseek(fd, 0, 0)
        n = 0
        while True:
            r = os.readv(fd, [memoryview(bufs[i])[n:]])
            if r == 0: break
            n += r
        sizes[i] = n
os.makedirs('/tmp/now', exist_ok=True)
for f, b, n in zip(files, bufs, sizes):
    with open('/tmp/now/' + f.strip('/').replace('/', '_'), 'wb') as out: out.write(b[:n])
`;
const number = (text, name) => {
  const m = new RegExp(`^(?:Node 0 )?${name.replace(/[()]/g, '\\$&')}:?\\s+(\\d+)`, 'm').exec(text);
  assert.ok(m, `${name} is missing`);
  return Number(m[1]);
};

let vm;
let at; // what was read: name to text
const sh = async (script) => {
  const r = await vm.run(['bash', '-c', script], { timeout: 1e9 });
  assert.equal(r.exitCode, 0, r.stderr);
  return r.stdout;
};
before(async () => {
  vm = await boot({ seed: 1, memory: '512M', image: 'dev', cpus: 2 });
  vm.writeFile('/tmp/snapshot.py', SNAPSHOT);
  const hogs = 'python3 -c "x = bytearray(20000000); import time; time.sleep(1000)" & sleep 1000 & mkdir -p /tmp/f; head -c 3000000 /dev/urandom > /tmp/f/a; sleep 2';
  await sh(`(${hogs}) > /dev/null 2>&1 < /dev/null; python3 /tmp/snapshot.py`);
  at = {};
  for (const name of (await sh('ls /tmp/now')).trim().split('\n')) at[name] = Buffer.from(vm.readFile(`/tmp/now/${name}`)).toString();
});
after(() => vm.close());

test('pages: meminfo, zoneinfo, buddyinfo, pagetypeinfo, vmstat and the node agree', () => {
  const { proc_meminfo: mem, proc_zoneinfo: zone, proc_vmstat: stat } = at;
  const zoneSum = (name) => [...zone.matchAll(new RegExp(`^ +${name} +(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
  assert.equal(number(mem, 'MemTotal'), zoneSum('managed') * 4);
  assert.equal(number(mem, 'MemFree'), zoneSum('pages free') * 4);
  assert.equal(number(stat, 'nr_free_pages'), zoneSum('pages free'));
  const rows = (text, pattern) =>
    [...text.matchAll(pattern)].map((m) =>
      m[1]
        .trim()
        .split(/\s+/)
        .map(Number),
    );
  const buddy = rows(at.proc_buddyinfo, /^Node 0, zone +\S+ ([\d ]+)$/gm);
  const types = rows(at.proc_pagetypeinfo, /^Node +0, zone +\S+, type +\S+ ([\d ]+)$/gm);
  const column = (table, i) => table.reduce((n, row) => n + row[i], 0);
  for (let order = 0; order <= 10; order++) assert.equal(column(types, order), column(buddy, order), `order ${order}`);
  assert.equal(
    buddy.flat().reduce((n, count, i) => n + count * 2 ** (i % 11), 0),
    zoneSum('pages free'),
  );
  for (const [name, row] of [
    ['AnonPages', 'nr_anon_pages'],
    ['Mapped', 'nr_mapped'],
    ['Shmem', 'nr_shmem'],
    ['SReclaimable', 'nr_slab_reclaimable'],
    ['SUnreclaim', 'nr_slab_unreclaimable'],
    ['PageTables', 'nr_page_table_pages'],
    ['Active(anon)', 'nr_active_anon'],
    ['Active(file)', 'nr_active_file'],
    ['Inactive(anon)', 'nr_inactive_anon'],
    ['Inactive(file)', 'nr_inactive_file'],
    ['Unevictable', 'nr_unevictable'],
    ['Mlocked', 'nr_mlock'],
  ]) {
    assert.equal(number(mem, name), number(stat, row) * 4, name);
    assert.equal(number(at.sys_devices_system_node_node0_meminfo, name), number(mem, name), name);
    assert.equal(number(at.sys_devices_system_node_node0_vmstat, row), number(stat, row), row);
  }
  assert.equal(number(mem, 'KernelStack'), number(stat, 'nr_kernel_stack'));
  assert.equal(number(mem, 'Slab'), number(mem, 'SReclaimable') + number(mem, 'SUnreclaim'));
  // Nothing is lost in between: what is not free is in one of these.
  const { pages } = vm.kernel.mm;
  const used = ['Cached', 'AnonPages', 'Slab', 'PageTables'].reduce((n, name) => n + number(mem, name), 0) + number(mem, 'VmallocUsed');
  const percpu = [...zone.matchAll(/^ +count: (\d+)/gm)].reduce((n, m) => n + Number(m[1]) * 4, 0);
  const rest = number(mem, 'MemTotal') - number(mem, 'MemFree') - percpu - used;
  assert.ok(rest >= 0 && rest <= 64, `${rest} kB are in no row`);
  assert.equal(number(mem, 'MemTotal'), pages.managedPages * 4);
});

test('slabs: slabinfo, meminfo, vmstat -m and slabtop agree', async () => {
  let slabs = 0;
  const rows = [...at.proc_slabinfo.matchAll(/^(\S+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) .* (\d+) +(\d+) +\d+$/gm)];
  assert.ok(rows.length > 40);
  for (const [, name, active, total, size, perSlab, pages, , n] of rows.map((r) => r.map((v, i) => (i > 1 ? Number(v) : v)))) {
    assert.ok(active <= total && total === n * perSlab && size * perSlab <= pages * 4096, name);
    slabs += n * pages;
  }
  const large = vm.kernel.mm.slab.largePages;
  assert.equal((slabs + large) * 4, number(at.proc_meminfo, 'Slab'));
  const out = await sh('mount --bind /tmp/now/proc_slabinfo /proc/slabinfo; vmstat -m; echo ==; slabtop -o -s n; umount /proc/slabinfo');
  const [vmstat, slabtop] = out.split('==\n');
  for (const [, name, active, total, size] of rows) {
    assert.match(vmstat, new RegExp(`^${name.slice(0, 24).replace(/[()]/g, '.')} +${active} +${total} +${size} `, 'm'));
    if (Number(total) > 0) assert.match(slabtop, new RegExp(`^ *${total} +${active} .* ${name.replace(/[()]/g, '.')} *$`, 'm'));
  }
});

test('processes: the sum of their shares is what meminfo says; pmap reads the same', async () => {
  const smaps = Object.keys(at).filter((name) => /^proc_\d+_smaps$/.test(name));
  assert.ok(smaps.length >= 4);
  let pss = 0;
  let areas = 0;
  let anonymous = 0;
  for (const name of smaps) {
    for (const [, kb] of at[name].matchAll(/^Pss: +(\d+)/gm)) pss += Number(kb);
    areas += [...at[name].matchAll(/^Pss:/gm)].length;
    for (const [, kb] of at[name].matchAll(/^Anonymous: +(\d+)/gm)) anonymous += Number(kb);
  }
  // Each area's share is rounded down to a kilobyte. Forked pages count once in AnonPages and for each process in Anonymous.
  const mapped = number(at.proc_meminfo, 'AnonPages') + number(at.proc_meminfo, 'Mapped');
  assert.ok(pss <= mapped && mapped - pss <= areas, `${pss} kB of ${mapped}, ${areas} areas`);
  assert.ok(anonymous >= number(at.proc_meminfo, 'AnonPages'));
  const hog = smaps.find((name) => /^Rss: +(\d{5,}) kB$/m.test(at[name]) && number(at[name].match(/^Rss: +\d{5,} kB$/m)[0], 'Rss') < 25_000);
  const pid = /\d+/.exec(hog)[0];
  // Pss has changed since: the reader shared the interpreter with it.
  const out = await sh(`mount --bind /tmp/now/${hog} /proc/${pid}/smaps; pmap -X ${pid} | tail -n 1; umount /proc/${pid}/smaps; pmap -x ${pid} | tail -n 1; pmap ${pid} | tail -n 1; cat /proc/${pid}/status`);
  const [x, small, short] = out.split('\n').map((line) => line.match(/\d+/g)?.map(Number) ?? []);
  const sum = (field) => [...at[hog].matchAll(new RegExp(`^${field}: +(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
  assert.deepEqual([x[0], x[1], x[2]], [sum('Size'), sum('Rss'), sum('Pss')]);
  assert.deepEqual([small[0], small[1]], [sum('Size'), sum('Rss')]);
  assert.equal(short[0], sum('Size'));
  assert.equal(number(out, 'VmRSS'), sum('Rss'));
  assert.equal(number(out, 'VmSize'), sum('Size'));
});

test('free and vmstat say what meminfo says', async () => {
  const mem = at.proc_meminfo;
  const m = (name) => number(mem, name);
  const out = await sh(
    'for f in meminfo vmstat; do mount --bind /tmp/now/proc_$f /proc/$f; done; free -k; vmstat -s; vmstat -n 1 1; umount /proc/meminfo /proc/vmstat',
  );
  const free = out.match(/^Mem:.*$/m)[0].match(/\d+/g).map(Number);
  assert.deepEqual(free, [m('MemTotal'), m('MemTotal') - m('MemAvailable'), m('MemFree'), m('Shmem'), m('Buffers') + m('Cached') + m('SReclaimable'), m('MemAvailable')]);
  for (const [what, value] of [
    ['K total memory', m('MemTotal')],
    ['K free memory', m('MemFree')],
    ['K active memory', m('Active')],
    ['K inactive memory', m('Inactive')],
    ['K swap cache', m('Buffers') === 0 ? m('Cached') + m('SReclaimable') : 0],
  ])
    assert.match(out, new RegExp(`^ *${value} ${what}$`, 'm'));
  const line = out.trim().split('\n').at(-1).trim().split(/\s+/).map(Number);
  assert.deepEqual([line[3], line[5]], [m('MemFree'), m('Cached') + m('SReclaimable')]);
});

// Debian packages of trixie that no image of ours holds.
const TOOLS = [
  {
    name: 'smem',
    version: '1.5-3',
    path: 'pool/main/s/smem/smem_1.5-3_all.deb',
    size: 10800,
    sha256: '3e123497422ad21c7ac4a2a9c584a7c87b6eb34c965c27c720d8f9e7e8668676',
  },
  {
    name: 'libnuma1',
    version: '2.0.19-1',
    path: 'pool/main/n/numactl/libnuma1_2.0.19-1_riscv64.deb',
    size: 23228,
    sha256: '7aa7b8ab3460bf501fcaa903a6a211f79e21d59a685c0718a27053f7c631b294',
  },
  {
    name: 'numactl',
    version: '2.0.19-1',
    path: 'pool/main/n/numactl/numactl_2.0.19-1_riscv64.deb',
    size: 37928,
    sha256: '1f50cc7bbf416312a5195edf69df68f80828c9e7dd269df8da619681bcc054e5',
  },
];
test('smem and numactl say what meminfo, the node and smaps say', async () => {
  for (const pin of TOOLS)
    for (const entry of await debFiles(await fetchPinned(pin, () => {}))) {
      const name = entry.name.split('/').at(-1);
      if (/^(smem|numactl|libnuma\.so\.1\.\d.*)$/.test(name) && entry.data.length > 0) vm.writeFile(`/tmp/${name}`, entry.data);
    }
  await sh('chmod 755 /tmp/smem /tmp/numactl; ln -s /tmp/libnuma.so.1.* /tmp/libnuma.so.1');
  const m = (name) => number(at.proc_meminfo, name);
  const system = await sh('mount --bind /tmp/now/proc_meminfo /proc/meminfo; /tmp/smem -w -H; umount /proc/meminfo');
  const row = (name) => system.match(new RegExp(`^${name} +(\\d+) +(\\d+) +(\\d+)`, 'm')).slice(1).map(Number);
  const user = m('AnonPages') + m('Mapped');
  const dynamic = m('MemTotal') - m('MemFree') - user;
  const cache = m('Buffers') + m('SReclaimable') + m('Cached') - m('Mapped');
  assert.deepEqual(row('kernel dynamic memory'), [dynamic, cache, dynamic - cache]);
  assert.deepEqual(row('userspace memory'), [user, m('Mapped'), m('AnonPages')]);
  assert.deepEqual(row('free memory'), [m('MemFree'), m('MemFree'), 0]);
  // One process, while it sleeps: what it has for itself, and all that it has.
  const out = await sh('pid=$(pgrep -x sleep | head -n 1); /tmp/smem -H -c "pid rss uss swap" -P "^sleep"; cat /proc/$pid/smaps /proc/$pid/status; echo "the pid $pid"');
  const pid = /the pid (\d+)/.exec(out)[1];
  const sum = (...fields) => [...out.matchAll(new RegExp(`^(?:${fields.join('|')}): +(\\d+) kB`, 'gm'))].reduce((n, f) => n + Number(f[1]), 0);
  const line = out.match(new RegExp(`^ *${pid} +(\\d+) +(\\d+) +(\\d+) *$`, 'm')).slice(1).map(Number);
  assert.deepEqual(line, [sum('Rss'), sum('Private_Clean', 'Private_Dirty'), 0]);
  assert.equal(number(out, 'VmRSS'), sum('Rss'));
  const node = '/sys/devices/system/node/node0/meminfo';
  const numa = await sh(`mount --bind /tmp/now/${node.slice(1).replaceAll('/', '_')} ${node}; LD_LIBRARY_PATH=/tmp /tmp/numactl -H; umount ${node}`);
  const mb = (name) => Math.floor(m(name) / 1024);
  assert.equal(
    numa.replace(/ +$/gm, ''),
    `available: 1 nodes (0)\nnode 0 cpus: 0 1\nnode 0 size: ${mb('MemTotal')} MB\nnode 0 free: ${mb('MemFree')} MB\nnode distances:\nnode     0\n   0:   10\n`,
  );
});

test('and the kernel finds every frame', () => {
  assert.deepEqual(auditFrames(vm.kernel), []);
});
