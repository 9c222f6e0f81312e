import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { task_struct as TASK } from '../../abi/layout/structs.ts';
import { GFP_ACCOUNT, GFP_KERNEL, GFP_RECLAIMABLE } from '../../abi/gfp.ts';
import { SLAB_ACCOUNT, SLAB_HWCACHE_ALIGN } from '../../abi/slab.ts';
import { Trap } from '../../machine/trap.ts';
import type { Kernel } from '../kernel.ts';
import { assemble } from '../lib/assembler.ts';
import type { ExportText } from '../module/export.ts';
import { imageObject } from '../module/stubs.ts';
import { imageToVirt, physToVirt, virtToImage, virtToPhys } from './address.ts';
import { PerCpu } from './percpu.ts';
import { slabDataExports, slabExports } from './slab_exports.ts';
import type { KmemCache } from './slab_cache.ts';
import { CPU_SLAB, recallAll } from './slub_cpu.ts';
import { mmTestKit } from './testkit.ts';

// The machine code of kmalloc and kfree (slub_fast.ts) beside a second kernel that has none of it: both must give the same addresses and leave the same memory.

const NAMES = ['__kmalloc_noprof', 'kfree', '__kmalloc_cache_noprof', 'kmem_cache_free'] as const;
type Name = (typeof NAMES)[number];
const RETURN = -0x7000_0000;
const SSTATUS = 0x102;

/** A kernel whose allocator is called as module code calls it: through machine code, and through TypeScript where that gives up. */
class Caller {
  readonly k: Kernel;
  readonly log: string[];
  readonly caches: KmemCache[];
  private readonly entry = new Map<Name, number>();
  private readonly tasks: number[];
  /** Calls that TypeScript was asked for. */
  slow = 0;
  complaints = 0;

  constructor(withText: boolean, tier: 'auto' | 'hot' | 'cold' = 'auto') {
    const { k, log } = mmTestKit(32, 'norandmaps', 2, tier);
    this.k = k;
    this.log = log;
    k.percpu = new PerCpu(k);
    const table = slabDataExports[0].place(k);
    k.modules = { symbols: new Map([['kmalloc_caches', { addr: table }]]) } as unknown as Kernel['modules'];
    k.mm.slab.onComplaint = () => void this.complaints++;
    this.tasks = Array.from({ length: k.cpus }, () => imageObject(k, TASK.sizeof, 64));
    for (let cpu = 0; cpu < k.cpus; cpu++) k.ram.write32(virtToImage(this.tasks[cpu]) + TASK.thread_info_cpu, cpu);
    k.machine.setPageTable(k.mm.swapperPgDir);
    if (withText)
      for (const name of NAMES) {
        const { source, constants } = this.row(name).text as ExportText;
        const pa = k.mm.imageAlloc(0x200, 64);
        const { words } = assemble(source, imageToVirt(pa), constants(k));
        for (const [i, word] of words.entries()) k.ram.write32(pa + i * 4, word);
        this.entry.set(name, imageToVirt(pa));
      }
    this.caches = [
      ...[24, 52, 200, 1000].map((size) => k.mm.slab.create(`fast-${size}`, size, { shared: true, flags: SLAB_HWCACHE_ALIGN })),
      k.mm.slab.create('fast-account', 64, { shared: true, flags: SLAB_ACCOUNT }),
    ].map((c) => c as KmemCache);
  }
  private row(name: Name) {
    return slabExports.find((r) => r.name === name) as (typeof slabExports)[number];
  }
  /** Runs the call in slices of `slice` instructions; `between` comes wherever one ends. */
  call(
    cpu: number,
    name: Name,
    a0: number,
    a1: number,
    slice = 1000,
    between: (pc: number, entry: number) => void = () => {},
  ): number | 'fault' {
    const { k } = this;
    const { machine } = k;
    const { regs } = machine;
    (k as { cpu: number }).cpu = cpu;
    const entry = this.entry.get(name);
    if (entry === undefined) return Number(this.row(name).call(k, a0, a1, 0, 0, 0, 0) ?? 0);
    regs.mode = 1;
    regs.sstatus = SSTATUS;
    regs.set(1, RETURN);
    regs.set(4, this.tasks[cpu]);
    regs.set(10, a0);
    regs.set(11, a1);
    regs.pc = entry;
    for (;;) {
      const cause = machine.run(slice);
      if (regs.pc === RETURN) return name.includes('alloc') ? regs.get(10) : 0;
      if (cause === Trap.SLICE_END) {
        const at = regs.pc;
        const kept = Array.from({ length: 32 }, (_, x) => regs.getBig(x));
        between(at, entry);
        for (let x = 1; x < 32; x++) regs.setBig(x, kept[x]);
        regs.pc = at;
        (k as { cpu: number }).cpu = cpu;
      } else if (cause === Trap.ECALL_S) {
        this.slow++;
        assert.deepEqual([regs.get(10), regs.get(11), regs.get(1)], [a0, a1, RETURN], 'the slow way has the arguments');
        return Number(this.row(name).call(k, a0, a1, 0, 0, 0, 0) ?? 0);
      } else return 'fault';
    }
  }
  /** Everything as if no slab had ever been lent. */
  settle(): void {
    for (const c of this.k.mm.slab.caches) recallAll(this.k.mm.slab.slub, c);
  }
  /** What is known of every slab of the caches in question. */
  state(): unknown {
    this.settle();
    const { k } = this;
    return k.mm.slab.caches
      .filter((c) => c.shared)
      .map((c) => [
        c.name,
        c.activeObjects,
        [...c.slabs].map((s) => [
          s.pa,
          s.freeCount,
          s.place,
          [...s.free.subarray(0, s.freeCount)],
          [...s.used],
          [...k.ram.bytes(s.pa, 4096 << c.order)].join(),
        ]),
      ]);
  }
}

interface Step {
  readonly cpu: number;
  readonly what: 'kmalloc' | 'cache' | 'free' | 'again' | 'inside' | 'wild' | 'kernel' | 'kernel free' | 'shrink';
  readonly n: number;
  readonly slice: number;
}
const steps = fc.array(
  fc.record({
    cpu: fc.nat(1),
    what: fc.constantFrom<Step['what'][]>(
      'kmalloc',
      'kmalloc',
      'kmalloc',
      'cache',
      'cache',
      'free',
      'free',
      'free',
      'free',
      'again',
      'inside',
      'wild',
      'kernel',
      'kernel free',
      'shrink',
    ),
    n: fc.nat(1 << 20),
    slice: fc.constantFrom(1, 3, 1000),
  }),
  { minLength: 50, maxLength: 400 },
);
const GFPS = [GFP_KERNEL, GFP_KERNEL, GFP_KERNEL | GFP_RECLAIMABLE, GFP_KERNEL | GFP_ACCOUNT];

/** Does the steps on one kernel; what came of each. */
function drive(c: Caller, list: readonly Step[]): unknown[] {
  const { slab } = c.k.mm;
  const held: { va: number; cache: KmemCache | null }[] = [];
  const results: unknown[] = [];
  let gone = 0;
  const fill = (va: number, size: number) => {
    const pa = virtToPhys(va);
    assert.ok(
      c.k.ram.bytes(pa, size).every((b) => b === 0),
      'an object is cleared',
    );
    c.k.ram.fill(pa, size, 0xa5);
  };
  for (const { cpu, what, n, slice } of list) {
    const i = held.length === 0 ? -1 : n % held.length;
    const free = (va: number, cache: KmemCache | null) =>
      cache === null ? c.call(cpu, 'kfree', va, 0, slice) : c.call(cpu, 'kmem_cache_free', physToVirt(cache.addr), va, slice);
    const own = c.caches[n % c.caches.length];
    let result: unknown = null;
    if (what === 'kmalloc') {
      const size = 1 + (n % (n % 7 === 0 ? 9000 : 300));
      result = c.call(cpu, '__kmalloc_noprof', size, GFPS[n % GFPS.length], slice);
      fill(result as number, size);
      held.push({ va: result as number, cache: null });
    } else if (what === 'cache') {
      result = c.call(cpu, '__kmalloc_cache_noprof', physToVirt(own.addr), GFP_KERNEL, slice);
      fill(result as number, own.objectSize);
      held.push({ va: result as number, cache: own });
    } else if (what === 'kernel') {
      (c.k as { cpu: number }).cpu = cpu;
      const va = physToVirt(slab.cacheAlloc(own));
      fill(va, own.objectSize);
      held.push({ va, cache: own });
      result = va;
    } else if (what === 'shrink') slab.slub.shrink(own);
    else if (what === 'wild') result = c.call(cpu, 'kfree', [0, 16, physToVirt(0x30_0000)][n % 3], 0, slice);
    else if (what === 'again' && gone !== 0 && !held.some((o) => o.va === gone)) result = free(gone, null);
    else if (i >= 0 && what === 'inside') result = free(held[i].va + 8, null);
    else if (i >= 0 && what === 'kernel free') {
      (c.k as { cpu: number }).cpu = cpu;
      gone = held[i].va;
      slab.kfree(virtToPhys(gone));
      held.splice(i, 1);
    } else if (i >= 0 && what === 'free') {
      gone = held[i].va;
      const { cache } = held[i];
      held.splice(i, 1);
      result = free(gone, n % 3 === 0 ? null : cache);
    }
    results.push(result);
  }
  return results;
}

for (const tier of ['auto', 'hot'] as const)
  test(`machine code and TypeScript allocate alike (${tier})`, () => {
    let calls = 0;
    let slow = 0;
    fc.assert(
      fc.property(steps, (list) => {
        const [machine, plain] = [new Caller(true, tier), new Caller(false)];
        assert.deepEqual(drive(machine, list), drive(plain, list));
        assert.equal(machine.complaints, plain.complaints);
        assert.deepEqual(machine.state(), plain.state());
        calls += list.length;
        slow += machine.slow;
      }),
      { numRuns: tier === 'auto' ? 25 : 6, seed: 6 },
    );
    assert.ok(slow < calls * 0.7, `machine code did too little: ${slow} of ${calls} calls came to TypeScript`);
  });

test('a task is interrupted where no list is half changed', () => {
  for (const tier of ['cold', 'hot'] as const) {
    const c = new Caller(true, tier);
    const size = 200;
    // Both CPUs get a slab.
    for (const cpu of [0, 1]) c.call(cpu, 'kfree', c.call(cpu, '__kmalloc_noprof', size, GFP_KERNEL) as number, 0);
    const before = c.slow;
    let interrupted = 0;
    const seen = new Set<number>();
    for (let slice = 1; slice < 120; slice++) {
      const got: number[] = [];
      const va = c.call(0, '__kmalloc_noprof', size, GFP_KERNEL, slice, () => {
        interrupted++;
        // Another task of the same CPU, and one of the other.
        for (const cpu of [0, 1]) got.push(c.call(cpu, '__kmalloc_noprof', size, GFP_KERNEL) as number);
      }) as number;
      got.push(va);
      assert.equal(new Set(got).size, got.length, 'everybody has an object of his own');
      for (const o of got) {
        seen.add(o);
        c.call(0, 'kfree', o, 0, slice, () => assert.fail('a free goes through'));
      }
    }
    assert.ok(interrupted > 100, 'tasks were interrupted while they cleared an object');
    assert.ok(c.slow - before < 700);
    c.settle();
    const cache = c.k.mm.slab.kmallocCache(size) as KmemCache;
    for (const s of cache.slabs) assert.equal(s.freeCount + s.used.reduce((sum, u) => sum + u, 0), cache.perSlab);
  }
});

test('the kernel survives whatever a module writes over the list of a CPU', () => {
  const lent = [0, 0];
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(20)), { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat(100)),
      (stores, choices) => {
        const c = new Caller(true);
        // Eight objects a slab: both structs of the CPU are in use.
        const cache = c.k.mm.slab.kmallocCache(512) as KmemCache;
        const held: number[] = [];
        const some = (n: number) => {
          for (let i = 0; i < n; i++) {
            const { value } = choices.next();
            if (value < 55 || held.length === 0) {
              const va = value < 10 ? physToVirt(c.k.mm.slab.cacheAlloc(cache)) : c.call(0, '__kmalloc_noprof', 512, GFP_KERNEL);
              if (va !== 'fault') held.push(va);
            } else c.call(0, 'kfree', held.splice(value % held.length, 1)[0], 0);
          }
        };
        some(60);
        const at = c.k.percpu.instance(cache.cpuSlab, 0);
        const next = c.k.ram.read32(at + CPU_SLAB.next);
        const there = [0, 0];
        for (const [offset, byte, more] of stores) {
          // Not over the addresses themselves: where they point to, the machine code stores.
          const which = (byte >> 3) & 1;
          if (c.k.ram.read64(at + which * next) !== 0) there[which]++;
          c.k.ram.write8(at + which * next + CPU_SLAB.count + (offset < 16 ? offset % 8 : 32 + (offset % 48)), byte);
          some(more);
        }
        c.settle();
        for (const s of cache.slabs) {
          assert.equal(s.freeCount + s.used.reduce((sum, u) => sum + u, 0), cache.perSlab);
          assert.equal(new Set(s.free.subarray(0, s.freeCount)).size, s.freeCount, 'no object is free twice');
        }
        some(50);
        for (const w of [0, 1]) lent[w] += there[w];
      },
    ),
    { numRuns: 80, seed: 1 },
  );
  assert.ok(lent[0] > 20 && lent[1] > 20, `slabs were lent when something was written: ${lent}`);
});
