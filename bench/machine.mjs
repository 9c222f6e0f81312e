// MIPS of the machine on small compute programs, each tier, and the time of qemu-riscv64 on the same files.
// Usage: node bench/machine.mjs [core|sort|calls|fp ...]   (needs riscv64-linux-gnu-gcc; build the project first)
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import v8 from 'node:v8';

if (process.env.HINTS !== '0') v8.setFlagsFromString('--experimental-wasm-branch-hinting');
const { Bare } = await import('../dist/machine/testing/bare.js');

const names = ['core', 'sort', 'calls', 'fp'];
const wanted = process.argv.slice(2);
const tiers = (process.env.TIERS ?? 'cold,auto').split(',');
const dir = mkdtempSync(join(tmpdir(), 'lintel-bench-'));

function load(bare, elf) {
  const view = new DataView(elf.buffer, elf.byteOffset);
  const phoff = Number(view.getBigUint64(32, true));
  for (let i = 0; i < view.getUint16(56, true); i++) {
    const p = phoff + i * 56;
    if (view.getUint32(p, true) !== 1) continue;
    const offset = Number(view.getBigUint64(p + 8, true));
    const va = Number(view.getBigUint64(p + 16, true));
    const size = Number(view.getBigUint64(p + 32, true));
    const memory = Number(view.getBigUint64(p + 40, true));
    const start = Math.floor(va / 4096) * 4096;
    const bytes = new Uint8Array(va - start + memory);
    bytes.set(elf.subarray(offset, offset + size), va - start);
    bare.load(start, bytes);
  }
  const stack = 0x3f_0000_0000;
  bare.load(stack, new Uint8Array(1 << 18));
  bare.machine.regs.set(2, stack + (1 << 18) - 64);
  bare.machine.regs.pc = Number(view.getBigUint64(24, true));
}

try {
  for (const [i, name] of names.entries()) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const file = join(dir, name);
    const gcc = spawnSync(
      'riscv64-linux-gnu-gcc',
      [
        '-O2',
        '-static',
        '-nostdlib',
        '-ffreestanding',
        '-fno-builtin',
        '-fno-pie',
        '-no-pie',
        '-fno-stack-protector',
        '-Wl,--no-relax',
        `-DKERNEL=${i + 1}`,
        '-o',
        file,
        'bench/guest/compute.c',
      ],
      { stdio: 'inherit' },
    );
    if (gcc.status !== 0) process.exit(1);
    const elf = new Uint8Array(readFileSync(file));
    const line = [name.padEnd(6)];
    for (const tier of tiers) {
      const bare = new Bare({ tier, memoryBytes: 32 << 20 });
      load(bare, elf);
      const pc = bare.machine.regs.pc;
      const sp = bare.machine.regs.get(2);
      let best = Infinity;
      let first = 0;
      let insns = 0;
      for (let rep = 0; rep < (tier === 'cold' ? 1 : 6); rep++) {
        bare.machine.regs.pc = pc;
        bare.machine.regs.set(2, sp);
        const before = bare.machine.instret;
        const t0 = process.hrtime.bigint();
        let cause;
        while ((cause = bare.machine.run(1_000_000)) === -1);
        const ms = Number(process.hrtime.bigint() - t0) / 1e6;
        if (cause !== 8) throw new Error(`trap ${cause} at ${bare.machine.regs.pc.toString(16)} tval ${bare.machine.tval.toString(16)}`);
        insns = bare.machine.instret - before;
        if (rep === 0) first = ms;
        best = Math.min(best, ms);
      }
      const s = bare.machine.code.stats;
      line.push(
        `${tier}: ${(insns / best / 1e3).toFixed(0)} MIPS (${best.toFixed(1)} ms of ${(insns / 1e6).toFixed(1)} M; first ${first.toFixed(1)})`,
      );
      if (tier !== 'cold')
        line.push(
          `${s.regions} regions, ${s.modules} modules, ${s.insns} insns, ${s.wasmBytes} B wasm, ${bare.machine.stats.tlbMisses} tlb misses, ${(bare.machine.translated.insns / bare.machine.translated.entries).toFixed(1)} insns per entry`,
        );
    }
    const times = [];
    for (let rep = 0; rep < 3; rep++) {
      const t0 = process.hrtime.bigint();
      spawnSync('qemu-riscv64-static', [file]);
      times.push(Number(process.hrtime.bigint() - t0) / 1e6);
    }
    line.push(`qemu-user ${Math.min(...times).toFixed(1)} ms with start-up`);
    console.log(line.join(' | '));
  }
} finally {
  rmSync(dir, { recursive: true });
}
