import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Kernel } from '../kernel.ts';
import { PAGE_OFFSET, PAGE_SIZE } from '../mm/address.ts';
import { makePte, PAGE_KERNEL, ptePointer, setPte } from '../mm/pgtable.ts';
import { mmTestKit } from '../mm/testkit.ts';
import { siphash1u64 } from './siphash.ts';
import { callArguments, slotArguments, vaListArguments } from './va_list.ts';
import { vsnprintf, vsnprintfChecked } from './vsprintf.ts';

// Real Linux's answers (tests/guest/vsprintf/record.mjs): [format, arguments, text or {ret, text's start}, text's shape when %p is hashed].
type Row = [fmt: string, args: string, text: string | { ret: number; text: string }, hashed?: string];
interface Fixture {
  block: string;
  data: string;
  fixups: [number, number][];
  cases: Row[];
}
const fixture = JSON.parse(readFileSync('tests/fixtures/printk/vsprintf.json', 'utf8')) as Fixture;
const block = BigInt(`0x${fixture.block}`);

/** A kernel with the block of data at the address that it had in real Linux. */
function kit(commandLine: string): Kernel {
  const { k } = mmTestKit(32, commandLine);
  const data = new Uint8Array(Buffer.from(fixture.data, 'base64'));
  const view = new DataView(data.buffer);
  for (const [at, to] of fixture.fixups) view.setBigUint64(at, block + BigInt(to), true);
  for (let at = 0; at < data.length; at += PAGE_SIZE) {
    const pa = k.mm.pages.alloc();
    k.ram.u8.set(data.subarray(at, at + PAGE_SIZE), pa);
    setPte(k.ram, ptePointer(k.ram, k.mm.swapperPgDir, Number(BigInt.asIntN(64, block)) + at, k.mm), makePte(pa, PAGE_KERNEL));
  }
  return k;
}
const slotsOf = (args: string) =>
  args === '' ? [] : args.split(' ').map((a) => (a.startsWith('@') ? block + BigInt(a.slice(1)) : BigInt(a)));

test('formats print what real Linux prints', () => {
  const k = kit('norandmaps no_hash_pointers');
  const wrong: string[] = [];
  for (const [fmt, args, expected] of fixture.cases) {
    const { text, fault } = vsnprintfChecked(k, fmt, slotArguments(slotsOf(args)));
    const ok = typeof expected === 'string' ? text === expected : text.length === expected.ret && text.startsWith(expected.text);
    if (!ok || fault !== null)
      wrong.push(`${JSON.stringify(fmt)} ${args}: ${JSON.stringify(text.slice(0, 200))} fault ${fault}, Linux ${JSON.stringify(expected)}`);
  }
  assert.ok(fixture.cases.length > 1500);
  assert.deepEqual(wrong, []);
});

test('%p hides addresses: the same hash for the same pointer, the shape of real Linux', () => {
  const k = kit('norandmaps');
  const rows = fixture.cases.filter((c) => c[3]?.match(/HHHHHHHH/g)?.length === 1);
  assert.ok(rows.length >= 8);
  const hashes = new Set<string>();
  for (const [fmt, args, , hashed] of rows) {
    const text = vsnprintf(k, fmt, slotArguments(slotsOf(args)));
    const shape = (hashed as string)
      .replaceAll('|', '\\|')
      .replace(/ +/, ' *')
      .replace(/0*HHHHHHHH/, '0*([0-9a-f]+?)');
    const m = new RegExp(`^${shape}$`).exec(text);
    assert.ok(m, `${fmt}: ${text} is not like ${hashed}`);
    if (fmt !== '%5p') assert.equal(text.length, hashed?.length, fmt);
    if (args.startsWith(rows[0][1].split(' ')[0])) hashes.add(m[1].replace(/^0+/, ''));
  }
  assert.equal(hashes.size, 1);
  assert.notEqual(vsnprintf(k, '%p', slotArguments([block])), vsnprintf(k, '%p', slotArguments([block + 1n])));
});

test('%pK follows kptr_restrict', () => {
  const k = kit('norandmaps');
  const show = () => vsnprintf(k, '%pK', slotArguments([block]));
  const hidden = vsnprintf(k, '%p', slotArguments([block]));
  assert.equal(show(), hidden);
  const cred = { uid: 0, euid: 0, gid: 0, egid: 0 };
  const current = k.current as unknown as { cred: typeof cred; capable: (cap: number) => boolean };
  current.cred = cred;
  k.pointers.kptrRestrict = 1;
  assert.equal(show(), fixture.block);
  current.cred = { ...cred, euid: 1 };
  assert.equal(show(), '0000000000000000');
  current.cred = cred;
  current.capable = (cap) => cap !== 34;
  assert.equal(show(), '0000000000000000');
  current.capable = () => true;
  k.pointers.kptrRestrict = 2;
  assert.equal(show(), '0000000000000000');
});

test('SipHash-2-4', () => {
  // The first 8 bytes of the reference vectors' message 00 01 02 .. with key 00 01 .. 0f (lib/siphash_kunit.c).
  assert.equal(siphash1u64(0x0706050403020100n, { k0: 0x0706050403020100n, k1: 0x0f0e0d0c0b0a0908n }), 0x93f5f5799a932462n);
});

test('arguments come from the registers, then from the stack', () => {
  const k = kit('norandmaps');
  const { regs } = k.machine;
  const sp = PAGE_OFFSET + k.mm.pages.alloc();
  regs.set(2, sp);
  for (let i = 0; i < 8; i++) regs.set(10 + i, 100 + i);
  for (let i = 0; i < 4; i++) k.ram.write64(sp - PAGE_OFFSET + 8 * i, -1 - i);
  assert.equal(vsnprintf(k, '%d %d %d %d', callArguments(k, 6)), '106 107 -1 -2');
  assert.equal(vsnprintf(k, '%d %ld', callArguments(k, 1)), '101 102');
  assert.equal(vsnprintf(k, '%d %d', vaListArguments(k, sp + 8)), '-2 -3');
  regs.setBig(17, 0xffff_ffff_0000_0007n);
  assert.equal(vsnprintf(k, '%d %lx', callArguments(k, 7)), '7 ffffffffffffffff');
  const bad = vsnprintfChecked(k, '%d', vaListArguments(k, 0x1000));
  assert.equal(bad.fault, 0x1000);
});

test('a pointer to nowhere is reported, not followed', () => {
  const k = kit('norandmaps');
  for (const fmt of ['%s', '%pM', '%pd', '%pD', '%pV', '%ph', '%pR', '%pg', '%pC', '%pOF', '%pGp', '%pU', '%ptR', '%pa']) {
    const { fault } = vsnprintfChecked(k, fmt, slotArguments([0xffff_ffc6_1234_5678n]));
    assert.ok(fault !== null, fmt);
  }
});

test('%pV within itself ends', () => {
  const k = kit('norandmaps');
  const pa = k.mm.pages.alloc();
  const va = PAGE_OFFSET + pa;
  // struct va_format at 0, va_list at 16, slots at 64: each the same va_format.
  k.ram.write64(pa, va + 32);
  k.ram.write64(pa + 8, va + 16);
  k.ram.write64(pa + 16, va + 64);
  k.ram.u8.set(Buffer.from('a%pV%pV%pV'), pa + 32);
  for (let i = 0; i < 3; i++) k.ram.write64(pa + 64 + 8 * i, va);
  const { fault } = vsnprintfChecked(k, '%pV', slotArguments([BigInt.asUintN(64, BigInt(va))]));
  assert.ok(fault !== null);
});

test('no format throws or runs away', () => {
  const k = kit('norandmaps');
  const letters = [...'%%%%%-+ #0123456789.*hlLztcsduxXopSsBRrhbMmIi46EUVKNFaptdDgGOfkewCc\xff\x00 '];
  const format = fc.array(fc.constantFrom(...letters), { maxLength: 40 }).map((a) => a.join(''));
  const slot = fc.oneof(
    fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    fc.integer({ min: 0, max: 12000 }).map((n) => block + BigInt(n)),
    fc.constantFrom(0n, 1n, (1n << 64n) - 2n),
    fc.integer({ min: 0, max: 64 }).map(BigInt),
  );
  fc.assert(
    fc.property(format, fc.array(slot, { maxLength: 8 }), (fmt, slots) => {
      const a = vsnprintf(k, fmt, slotArguments(slots));
      return a === vsnprintf(k, fmt, slotArguments(slots)) && !/[\u0100-\uffff]/.test(a);
    }),
    { numRuns: 3000 },
  );
  assert.ok(vsnprintf(k, '%8388607d'.repeat(500), slotArguments([])).length < 2 ** 27);
});
