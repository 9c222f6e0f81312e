import assert from 'node:assert/strict';
import nodeTest from 'node:test';
import { Access } from './api.ts';
import { PTE_R, PTE_U, PTE_W, PTE_X } from './mmu.ts';
import * as asm from './testing/assemble.ts';
import { Bare } from './testing/bare.ts';
import type { Tier } from './translator/code_cache.ts';
import { Trap } from './trap.ts';

const CODE = 0x10000;
const DATA = 0x20000;
const RW = PTE_R | PTE_W | PTE_U;

/** Every test here runs in the interpreter and again with everything translated. */
let tier: Tier = 'cold';
function test(name: string, body: () => void): void {
  for (const t of ['cold', 'hot'] as const)
    nodeTest(`${name} (${t})`, () => {
      tier = t;
      body();
    });
}

function start(words: readonly number[], registers: Record<number, number> = {}): Bare {
  const bare = new Bare({ tier });
  bare.words(CODE, words);
  for (const [x, v] of Object.entries(registers)) bare.machine.regs.set(Number(x), v);
  bare.machine.regs.pc = CODE;
  return bare;
}

test('an ecall leaves pc at itself and is not retired', () => {
  const { machine } = start([asm.addi(10, 0, 7), asm.ECALL]);
  assert.equal(machine.run(1000), Trap.ECALL_U);
  assert.equal(machine.regs.pc, CODE + 4);
  assert.equal(machine.regs.get(10), 7);
  assert.equal(machine.instret, 1);
});

test('ebreak, illegal words and their tval', () => {
  const { machine } = start([asm.EBREAK]);
  assert.equal(machine.run(10), Trap.BREAKPOINT);
  assert.equal(machine.regs.pc, CODE);
  const bad = start([0xffffffff]).machine;
  assert.equal(bad.run(10), Trap.ILLEGAL);
  assert.equal(bad.tval % 2 ** 32, 0xffffffff);
  const zero = start([0]).machine;
  assert.equal(zero.run(10), Trap.ILLEGAL);
  assert.equal(zero.tval, 0);
});

test('a load fault has no effect and can be resumed', () => {
  const bare = start([asm.addi(5, 0, 1), asm.ld(6, 10, 8), asm.ECALL], { 6: 99, 10: DATA });
  const { machine } = bare;
  assert.equal(machine.run(100), Trap.LOAD_PAGE_FAULT);
  assert.equal(machine.regs.pc, CODE + 4);
  assert.equal(machine.tval, DATA + 8);
  assert.equal(machine.regs.get(6), 99);
  assert.equal(machine.instret, 1);
  const pa = bare.frame();
  bare.map(DATA, pa, RW);
  machine.ram.write64(pa + 8, -5);
  assert.equal(machine.run(100), Trap.ECALL_U);
  assert.equal(machine.regs.get(6), -5);
  assert.equal(machine.instret, 2);
});

test('a store across pages faults before it writes anything', () => {
  const bare = start([asm.sd(6, 10, 0), asm.ECALL], { 6: -1, 10: DATA + 4092 });
  const { machine } = bare;
  const pa = bare.frame();
  bare.map(DATA, pa, RW);
  assert.equal(machine.run(100), Trap.STORE_PAGE_FAULT);
  assert.equal(machine.tval, DATA + 4096);
  assert.equal(machine.ram.read32(pa + 4092), 0);
  const pa2 = bare.frame();
  bare.map(DATA + 4096, pa2, RW);
  assert.equal(machine.run(100), Trap.ECALL_U);
  assert.equal(machine.ram.readS32(pa + 4092), -1);
  assert.equal(machine.ram.readS32(pa2), -1);
});

test('permissions: read-only, execute-only pages, and kernel pages from user mode', () => {
  const bare = start([asm.sd(6, 10, 0)], { 10: DATA });
  bare.map(DATA, bare.frame(), PTE_R | PTE_U);
  assert.equal(bare.machine.run(100), Trap.STORE_PAGE_FAULT);
  const exec = start([asm.ld(6, 10, 0)], { 10: DATA });
  exec.map(DATA, exec.frame(), PTE_X | PTE_U);
  assert.equal(exec.machine.run(100), Trap.LOAD_PAGE_FAULT);
  const kernel = start([asm.ld(6, 10, 0)], { 10: DATA });
  kernel.map(DATA, kernel.frame(), PTE_R | PTE_W);
  assert.equal(kernel.machine.run(100), Trap.LOAD_PAGE_FAULT);
  const jump = start([asm.jalr(1, 10, 0)], { 10: DATA });
  jump.map(DATA, jump.frame(), RW);
  assert.equal(jump.machine.run(100), Trap.INSN_PAGE_FAULT);
  assert.equal(jump.machine.regs.pc, DATA);
  assert.equal(jump.machine.instret, 1);
});

test('a frame outside RAM is an access fault, an address that is not canonical a page fault', () => {
  const bare = start([asm.ld(6, 10, 0)], { 10: DATA });
  bare.map(DATA, 2 ** 40, RW);
  assert.equal(bare.machine.run(100), Trap.LOAD_ACCESS);
  const low = start([asm.sd(6, 10, 0)], { 10: DATA });
  low.map(DATA, 0x1000, RW); // the machine's own state
  assert.equal(low.machine.run(100), Trap.STORE_ACCESS);
  const wild = start([asm.ld(6, 10, 0)], { 10: 2 ** 38 });
  assert.equal(wild.machine.run(100), Trap.LOAD_PAGE_FAULT);
});

test('misaligned atomics trap, misaligned loads and stores work', () => {
  const bare = start([asm.rType(0x2f, 3, 0, 5, 10, 6)], { 10: DATA + 4 });
  bare.map(DATA, bare.frame(), RW);
  assert.equal(bare.machine.run(100), Trap.STORE_MISALIGNED);
  const lr = start([asm.rType(0x2f, 2, 8, 5, 10, 0)], { 10: DATA + 2 });
  lr.map(DATA, lr.frame(), RW);
  assert.equal(lr.machine.run(100), Trap.LOAD_MISALIGNED);
  const odd = start([asm.sd(6, 10, 1), asm.ld(7, 10, 1), asm.ECALL], { 6: -123456789, 10: DATA });
  odd.map(DATA, odd.frame(), RW);
  assert.equal(odd.machine.run(100), Trap.ECALL_U);
  assert.equal(odd.machine.regs.get(7), -123456789);
});

test('floating point is illegal while sstatus.FS is off, and writes make it dirty', () => {
  const bare = start([asm.fld(1, 10, 0), asm.ECALL], { 10: DATA });
  const { machine } = bare;
  bare.map(DATA, bare.frame(), RW);
  machine.regs.sstatus = 0;
  assert.equal(machine.run(100), Trap.ILLEGAL);
  machine.regs.sstatus = 0x2000;
  assert.equal(machine.run(100), Trap.ECALL_U);
  assert.equal(machine.regs.sstatus & 0x6000, 0x6000);
});

test('supervisor mode: kernel addresses, sstatus, and SUM for user pages', () => {
  const SSTATUS = 0x100;
  const bare = new Bare({ tier });
  const kernel = -0x2a_0000_0000;
  // read user memory without SUM (fault), or with it
  const words = [
    asm.lui(11, 0x40000),
    asm.csrrs(12, SSTATUS, 11),
    asm.ld(6, 10, 0),
    asm.iType(0x73, 3, 13, 11, SSTATUS),
    asm.ld(7, 10, 0),
    asm.ECALL,
  ];
  bare.words(kernel, words, PTE_R | PTE_X);
  const pa = bare.frame();
  bare.map(DATA, pa, RW);
  const { machine } = bare;
  machine.ram.write64(pa, 42);
  machine.regs.mode = 1;
  machine.regs.pc = kernel;
  machine.regs.set(10, DATA);
  assert.equal(machine.run(100), Trap.LOAD_PAGE_FAULT);
  assert.equal(machine.regs.pc, kernel + 16);
  assert.equal(machine.regs.get(6), 42);
  assert.equal(machine.regs.sstatus & 0x40000, 0);
  machine.regs.pc = kernel + 20;
  assert.equal(machine.run(100), Trap.ECALL_S);
  machine.regs.pc = DATA; // never executes user pages
  assert.equal(machine.run(100), Trap.INSN_PAGE_FAULT);
  // User mode may not touch sstatus.
  const user = start([asm.csrrs(5, SSTATUS, 0)]).machine;
  assert.equal(user.run(10), Trap.ILLEGAL);
});

test('translate sets A and D and honours superpages', () => {
  const bare = new Bare({ tier });
  const { machine } = bare;
  const va = 0x4000_0000;
  // a 2 MiB leaf in the middle level
  const root = bare.root;
  const table = bare.frame();
  machine.ram.write64(root + 8, (table / 4096) * 1024 + 1);
  machine.ram.write64(table, (0x40_0000 / 4096) * 1024 + 1 + RW);
  assert.equal(machine.translate(root, va + 0x12345, Access.READ, 0, false), 0x41_2345);
  assert.equal(machine.ram.read32(table) & 0xc0, 0x40);
  assert.equal(machine.translate(root, va + 0x12345, Access.WRITE, 0, false), 0x41_2345);
  assert.equal(machine.ram.read32(table) & 0xc0, 0xc0);
  assert.equal(machine.translate(root, va, Access.READ, 1, false), -1);
  assert.equal(machine.translate(root, va, Access.READ, 1, true), 0x40_0000);
  machine.ram.write64(table, (0x40_1000 / 4096) * 1024 + 1 + RW);
  assert.equal(machine.translate(root, va, Access.READ, 0, false), -1); // misaligned superpage
});

test('counters: instret reads the exact count, rdtime asks the clock', () => {
  const { machine } = start([asm.addi(0, 0, 0), asm.addi(0, 0, 0), asm.csrrs(5, 0xc02, 0), asm.csrrs(6, 0xc01, 0), asm.csrrw(0, 0xc00, 5)]);
  machine.readTime = () => 12345;
  assert.equal(machine.run(100), Trap.ILLEGAL); // counters are read-only
  assert.equal(machine.regs.get(5), 2);
  assert.equal(machine.regs.get(6), 12345);
});

test('the code of an instruction may cross a page whose successor is missing', () => {
  const bare = new Bare({ tier });
  const { machine } = bare;
  bare.map(CODE, bare.frame());
  const pa = machine.translate(bare.root, CODE, Access.READ, 0, false);
  machine.ram.write16(pa + 4094, asm.addi(5, 0, 77) & 0xffff);
  machine.regs.pc = CODE + 4094;
  assert.equal(machine.run(10), Trap.INSN_PAGE_FAULT);
  assert.equal(machine.tval, CODE + 4096);
  assert.equal(machine.regs.pc, CODE + 4094);
  const next = bare.frame();
  bare.map(CODE + 4096, next);
  machine.ram.write16(next, asm.addi(5, 0, 77) >>> 16);
  machine.ram.write32(next + 2, asm.ECALL);
  assert.equal(machine.run(10), Trap.ECALL_U);
  assert.equal(machine.regs.get(5), 77);
});

test('a slice ends at a backward or indirect transfer only', () => {
  // two straight instructions, a forward jump, then a loop
  const words = [asm.addi(5, 0, 0), asm.addi(5, 5, 1), asm.jal(0, 8), asm.EBREAK, asm.addi(5, 5, 1), asm.bType(1, 5, 6, -4), asm.ECALL];
  const { machine } = start(words, { 6: 10 });
  assert.equal(machine.run(1), Trap.SLICE_END);
  assert.equal(machine.regs.pc, CODE + 16);
  assert.equal(machine.instret, 5);
  assert.equal(machine.run(3), Trap.SLICE_END);
  assert.equal(machine.instret, 9);
  assert.equal(machine.run(1000), Trap.ECALL_U);
  assert.equal(machine.regs.get(5), 10);
});

test('store-conditional succeeds once, and not after a trap', () => {
  const lr = asm.rType(0x2f, 3, 8, 5, 10, 0);
  const sc = asm.rType(0x2f, 3, 12, 7, 10, 6);
  const bare = start([lr, sc, asm.ECALL, sc, asm.ECALL, lr, asm.ECALL, sc, asm.ECALL], { 10: DATA, 6: 5 });
  bare.map(DATA, bare.frame(), RW);
  const { machine } = bare;
  const results: number[] = [];
  for (let i = 0; i < 4; i++) {
    assert.equal(machine.run(100), Trap.ECALL_U);
    results.push(machine.regs.get(7));
    machine.regs.pc += 4;
  }
  assert.deepEqual(results, [0, 1, 1, 1]);
});

test('register and memory access: 64-bit values through every door', () => {
  const { machine } = start([asm.ECALL]);
  const { regs, ram } = machine;
  regs.setBig(5, -0x1234_5678_9abc_def0n);
  assert.equal(regs.getBig(5), -0x1234_5678_9abc_def0n);
  regs.set(6, -0x2a_0000_0000);
  assert.equal(regs.get(6), -0x2a_0000_0000);
  const pa = 0x30_0000;
  regs.pc = 0x1_2345_6780;
  regs.save(pa);
  assert.equal(ram.read64(pa), 0x1_2345_6780);
  regs.set(6, 1);
  regs.pc = 0;
  regs.load(pa);
  assert.equal(regs.get(6), -0x2a_0000_0000);
  assert.equal(regs.pc, 0x1_2345_6780);
  assert.equal(regs.get(0), 0);
});

test('bit 0 of the pc does not exist: user code never runs as the kernel', () => {
  // The loop reads kernel memory, which the kernel has read just before from the same place.
  const kernel = -0x2a_0000_0000;
  const loop = [asm.addi(28, 0, 100), asm.ld(6, 10, 0), asm.addi(28, 28, -1), asm.bType(1, 28, 0, -8), asm.ECALL];
  const bare = start(loop, { 10: kernel + 64 });
  const { machine } = bare;
  bare.words(kernel, loop, PTE_R | PTE_X);
  machine.regs.mode = 1;
  machine.regs.pc = kernel;
  assert.equal(machine.run(1000), Trap.ECALL_S);
  machine.regs.mode = 0;
  machine.regs.pc = CODE + 1;
  assert.equal(machine.regs.pc, CODE);
  assert.equal(machine.run(1000), Trap.LOAD_PAGE_FAULT);
  assert.equal(machine.regs.pc, CODE + 4);
});
