import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Trap } from '../../machine/trap.ts';
import { imageToVirt, PAGE_SIZE, physToVirt } from '../mm/address.ts';
import { mmTestKit } from '../mm/testkit.ts';
import type { FunctionExport } from '../module/export.ts';
import { coreExports } from '../module/core_exports.ts';
import { assemble } from './assembler.ts';
import { libExports } from './exports.ts';

// The machine code of memset, memcpy, memcmp, strlen, strcmp against JavaScript: results, and every byte of memory around.

const ROOM = 3 * PAGE_SIZE;
const RETURN = -0x7000_0000;
const NAMES = ['memset', 'memcpy', 'memmove', 'memcmp', 'strlen', 'strcmp'] as const;

function kit(tier: 'auto' | 'hot' | 'cold', names: readonly string[] = NAMES, rows: readonly FunctionExport[] = libExports) {
  const { k } = mmTestKit(32, 'norandmaps', 1, tier);
  const { machine } = k;
  const { regs } = machine;
  machine.setPageTable(k.mm.swapperPgDir);
  const entries = new Map<string, number>();
  for (const name of names) {
    const text = rows.find((r) => r.name === name)?.text;
    assert.ok(text !== undefined, name);
    const pa = k.mm.imageAlloc(0x200, 64);
    for (const [i, word] of assemble(text.source, imageToVirt(pa), text.constants(k)).words.entries()) k.ram.write32(pa + i * 4, word);
    entries.set(name, imageToVirt(pa));
  }
  const base = k.mm.pages.alloc(2);
  /** Null: left to TypeScript, or a fault. */
  const call = (name: string, ...args: number[]): number | null => {
    regs.mode = 1;
    regs.sstatus = 0x102;
    regs.set(1, RETURN);
    for (const [i, a] of args.entries()) regs.set(10 + i, a);
    regs.pc = entries.get(name) as number;
    for (;;) {
      const cause = machine.run(50);
      if (regs.pc === RETURN) return regs.get(10);
      if (cause !== Trap.SLICE_END) {
        assert.deepEqual(
          args,
          args.map((_, i) => regs.get(10 + i)),
          'arguments are as they were',
        );
        return null;
      }
    }
  };
  return { ram: k.ram, base, va: physToVirt(base), call };
}
const place = fc.oneof(fc.nat(ROOM - 200), fc.integer({ min: PAGE_SIZE - 40, max: PAGE_SIZE + 40 }));
const length = fc.oneof(fc.nat(40), fc.nat(199));

for (const tier of ['auto', 'hot', 'cold'] as const)
  test(`memory and string functions in machine code (${tier})`, () => {
    const { ram, base, va, call } = kit(tier);
    let left = 0;
    let done = 0;
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), place, place, length, fc.nat(300), fc.integer(), (name, to, from, n, byte, seed) => {
        const memory = ram.bytes(base, ROOM);
        let x = seed;
        // Few different bytes, and neighbours that are often equal: comparisons go on for a while.
        for (let i = 0; i < ROOM; i++) memory[i] = (x = (Math.imul(x, 1103515245) + 12345) | 0) >>> 30 === 0 ? (x >>> 20) & 3 : 0x80;
        if (seed % 2 === 0) memory.copyWithin(to, from, from + n);
        if (name.startsWith('str')) memory[Math.max(to, from) + n] = 0;
        const right = memory.slice();
        let result: number;
        const end = (at: number) => right.indexOf(0, at);
        const compared = (a: Uint8Array, b: Uint8Array) => {
          const i = a.findIndex((c, at) => c !== b[at]);
          return i < 0 ? 0 : a[i] - b[i];
        };
        if (name === 'memset') {
          right.fill(byte & 255, to, to + n);
          result = va + to;
        } else if (name === 'memcpy' || name === 'memmove') {
          right.copyWithin(to, from, from + n);
          result = va + to;
        } else if (name === 'memcmp') result = compared(right.slice(to, to + n), right.slice(from, from + n));
        else if (name === 'strlen') {
          if (end(to) < 0) return;
          result = end(to) - to;
        } else {
          if (end(to) < 0 || end(from) < 0) return;
          result = Math.sign(compared(right.slice(to, end(to) + 1), right.slice(from, from + end(to) + 1 - to)));
        }
        const second = name === 'memset' ? byte : va + from;
        const got = call(name, va + to, second, n);
        if (got === null) {
          left++;
          assert.ok(name.startsWith('mem') && to >= from && to - from < n, `${name} was left to TypeScript`);
          assert.deepEqual(
            ram.bytes(base, ROOM),
            right.map((_, i) => memory[i]),
          );
          return;
        }
        done++;
        assert.equal(got, result, name);
        assert.ok(Buffer.compare(memory, right) === 0, `${name}: memory`);
      }),
      { numRuns: tier === 'auto' ? 1500 : 300, seed: 9 },
    );
    assert.ok(done > left * 5);
    // Sizes that nobody has are not for machine code.
    assert.equal(call('memset', va, 0, -1), null);
    assert.equal(call('memcpy', va, va, 2 ** 40), null);
  });

test('lists in order are what the machine code of list_add and list_del says 1 to', () => {
  const [ADD, DEL] = ['__list_add_valid_or_report', '__list_del_entry_valid_or_report'];
  const { ram, base, va, call } = kit('hot', [ADD, DEL], coreExports);
  const NODES = 5;
  const POISONS = [0n, 0xdead000000000100n - 2n ** 64n, 0xdead000000000122n - 2n ** 64n];
  const at = (i: number) => va + i * 16;
  let good = 0;
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(NODES * 2 - 1), fc.nat(NODES + 2)), { maxLength: 3 }),
      fc.tuple(fc.nat(NODES), fc.nat(NODES), fc.nat(NODES)),
      (del, changes, [a, b, c]) => {
        // A ring of nodes, with some pointers that are wrong; one more node that is not in it.
        const pointers = Array.from({ length: NODES * 2 }, (_, i) =>
          BigInt(at((Math.floor(i / 2) + (i % 2 === 0 ? 1 : NODES - 1)) % NODES)),
        );
        for (const [i, to] of changes) pointers[i] = to < NODES ? BigInt(at(to)) : POISONS[to - NODES];
        pointers.push(0n, 0n);
        for (const [i, p] of pointers.entries()) ram.writeBig(base + i * 8, p);
        const next = (i: number) => pointers[i * 2];
        const prev = (i: number) => pointers[i * 2 + 1];
        const index = (p: bigint) => (Number(p) - va) / 16;
        let right: boolean;
        if (del)
          right =
            ![next(a), prev(a)].some((p) => POISONS.includes(p)) &&
            next(index(prev(a))) === BigInt(at(a)) &&
            prev(index(next(a))) === BigInt(at(a));
        else right = prev(c) === BigInt(at(b)) && next(b) === BigInt(at(c)) && a !== b && a !== c;
        const got = del ? call(DEL, at(a)) : call(ADD, at(a), at(b), at(c));
        assert.equal(got, right ? 1 : null);
        if (right) good++;
      },
    ),
    { numRuns: 1000, seed: 4 },
  );
  assert.ok(good > 100);
  assert.equal(call(ADD, at(0), 0, at(1)), null);
});
