import { Bare } from './bare.ts';
import { BLOCK_BYTES, BLOCK_F, BLOCK_FCSR, BLOCK_SCRATCH, IMAGE_VA, type RandomProgram } from './random_program.ts';
import type { Tier } from '../translator/code_cache.ts';
import { Trap } from '../trap.ts';

// Running a random program here, and saying how two runs differ.

const NR_WRITE = 64;

export interface RunHere {
  readonly data: Uint8Array;
  readonly instret: number;
  readonly slices: number;
}

/** Runs the program up to its write(2). @throws Error when it traps elsewhere. */
export function runHere(program: RandomProgram, slice: number, tier: Tier = 'auto'): RunHere {
  const bare = new Bare({ tier });
  bare.load(IMAGE_VA, program.image);
  const { machine } = bare;
  machine.regs.pc = IMAGE_VA;
  let slices = 0;
  let cause: number;
  while ((cause = machine.run(slice)) === Trap.SLICE_END) slices++;
  if (cause !== Trap.ECALL_U || machine.regs.get(17) !== NR_WRITE)
    throw new Error(`trap ${cause} at 0x${machine.regs.pc.toString(16)}, tval 0x${machine.tval.toString(16)} (${tier})`);
  return { data: bare.read(program.dataVa, program.dataLength), instret: machine.instret, slices };
}

function nameOf(offset: number): string {
  if (offset < BLOCK_F) return `x${offset >> 3}`;
  if (offset < BLOCK_FCSR) return `f${(offset - BLOCK_F) >> 3}`;
  return offset < BLOCK_FCSR + 8 ? 'fcsr' : `scratch+${offset - BLOCK_SCRATCH}`;
}

/** The first words that differ, a line each; '' when none do. */
export function explain(program: RandomProgram, ours: Uint8Array, theirs: Uint8Array, who = 'qemu'): string {
  if (ours.length !== theirs.length) return `${ours.length} bytes here, ${theirs.length} from ${who}`;
  const a = new DataView(ours.buffer, ours.byteOffset);
  const b = new DataView(theirs.buffer, theirs.byteOffset);
  const lines: string[] = [];
  for (let at = 0; at + 8 <= ours.length && lines.length < 12; at += 8) {
    const x = a.getBigUint64(at, true);
    const y = b.getBigUint64(at, true);
    if (x === y) continue;
    const block = Math.floor(at / BLOCK_BYTES);
    const where = block < program.cases ? `case ${block} ${nameOf(at % BLOCK_BYTES)}` : `arena+${at - program.cases * BLOCK_BYTES}`;
    lines.push(`${where}: here ${x.toString(16)}, ${who} ${y.toString(16)}`);
  }
  return lines.join('\n');
}

/** A static ELF file that loads the program, for another machine. */
export function elfOf(program: RandomProgram): Uint8Array {
  const fileOffset = 0x1000;
  const out = new Uint8Array(fileOffset + program.image.length);
  const view = new DataView(out.buffer);
  out.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 243, true); // EM_RISCV
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(IMAGE_VA), true);
  view.setBigUint64(32, 64n, true);
  view.setUint32(48, 5, true); // RVC, double-float ABI
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 7, true);
  view.setBigUint64(72, BigInt(fileOffset), true);
  view.setBigUint64(80, BigInt(IMAGE_VA), true);
  view.setBigUint64(88, BigInt(IMAGE_VA), true);
  view.setBigUint64(96, BigInt(program.image.length), true);
  view.setBigUint64(104, BigInt(program.image.length), true);
  view.setBigUint64(112, 0x1000n, true);
  out.set(program.image, fileOffset);
  return out;
}
