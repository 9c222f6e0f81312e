import { EFAULT, EINVAL, ENOENT, EPERM } from '../../../abi/errno.ts';
import * as B from '../../../abi/bpf.ts';
import type { Kernel } from '../../kernel.ts';
import { viewFromUser } from '../../mm/uaccess.ts';
import type { Sock } from './sock.ts';

// Classic BPF: programs that sockets run on what they receive, and that seccomp runs on calls (net/core/filter.c).

export interface SockFilter {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  /** Unsigned. */
  readonly k: number;
}
/** What a filter may ask about a packet besides its bytes. */
export interface FilterInfo {
  /** Ethernet type. */
  readonly protocol: number;
  readonly pktType: number;
  readonly ifindex: number;
  readonly hatype: number;
  /** Where in the bytes the network header begins. */
  readonly network: number;
}

function alu(op: number, a: number, b: number): number | null {
  switch (op) {
    case B.BPF_ADD:
      return (a + b) >>> 0;
    case B.BPF_SUB:
      return (a - b) >>> 0;
    case B.BPF_MUL:
      return Math.imul(a, b) >>> 0;
    case B.BPF_DIV:
      return b === 0 ? null : Math.floor(a / b);
    case B.BPF_MOD:
      return b === 0 ? null : a % b;
    case B.BPF_OR:
      return (a | b) >>> 0;
    case B.BPF_AND:
      return (a & b) >>> 0;
    case B.BPF_LSH:
      return b > 31 ? 0 : (a << b) >>> 0;
    case B.BPF_RSH:
      return b > 31 ? 0 : a >>> b;
    case B.BPF_NEG:
      return -a >>> 0;
    default:
      return (a ^ b) >>> 0;
  }
}
function jumps(op: number, a: number, b: number): boolean {
  if (op === B.BPF_JEQ) return a === b;
  if (op === B.BPF_JGT) return a > b;
  return op === B.BPF_JGE ? a >= b : (a & b) !== 0;
}
/** `struct sock_fprog`: a length and where the instructions are. */
export function readFprog(k: Kernel, ptr: number): SockFilter[] | number {
  const head = viewFromUser(k, ptr, 16);
  if (typeof head === 'number') return head;
  return readInsns(k, head);
}
function readInsns(k: Kernel, head: DataView): SockFilter[] | number {
  const length = head.getUint16(0, true);
  if (length === 0 || length > B.BPF_MAXINSNS) return -EINVAL;
  const v = viewFromUser(k, Number(head.getBigInt64(8, true)), length * 8);
  if (typeof v === 'number') return v;
  return Array.from({ length }, (_, i) => ({
    code: v.getUint16(i * 8, true),
    jt: v.getUint8(i * 8 + 2),
    jf: v.getUint8(i * 8 + 3),
    k: v.getUint32(i * 8 + 4, true),
  }));
}

const ANCILLARY_MAX = 64;
/** Every instruction known and within bounds, jumps forward and inside, a return at the end, no read of memory never written (bpf_check_classic). */
export function checkClassic(prog: readonly SockFilter[]): boolean {
  return prog.every((f, i) => knownInsn(f, prog.length - i - 1)) && (prog[prog.length - 1].code & 7) === B.BPF_RET && memoryWritten(prog);
}
function knownInsn(f: SockFilter, after: number): boolean {
  const mode = f.code & 0xe0;
  const size = f.code & 0x18;
  switch (f.code & 7) {
    case B.BPF_LD:
      if (f.code > 0xff || size > B.BPF_B) return false;
      if (mode === B.BPF_ABS) return f.k < 0x8000_0000 || (f.k | 0) < B.SKF_AD_OFF || (f.k | 0) < B.SKF_AD_OFF + ANCILLARY_MAX;
      if (mode === B.BPF_IND) return true;
      if (size !== B.BPF_W) return false;
      return mode === B.BPF_IMM || mode === B.BPF_LEN || (mode === B.BPF_MEM && f.k < B.BPF_MEMWORDS);
    case B.BPF_LDX:
      if (f.code === (B.BPF_LDX | B.BPF_B | B.BPF_MSH)) return true;
      if (f.code > 0xff || size !== B.BPF_W) return false;
      return mode === B.BPF_IMM || mode === B.BPF_LEN || (mode === B.BPF_MEM && f.k < B.BPF_MEMWORDS);
    case B.BPF_ST:
    case B.BPF_STX:
      return (f.code & ~7) === 0 && f.k < B.BPF_MEMWORDS;
    case B.BPF_ALU: {
      const op = f.code & 0xf0;
      if (op === B.BPF_NEG) return f.code === (B.BPF_ALU | B.BPF_NEG);
      if (f.code > 0xff || op > B.BPF_XOR) return false;
      const constant = (f.code & B.BPF_X) === 0;
      if ((op === B.BPF_DIV || op === B.BPF_MOD) && constant && f.k === 0) return false;
      return !((op === B.BPF_LSH || op === B.BPF_RSH) && constant && f.k >= 32);
    }
    case B.BPF_JMP: {
      const op = f.code & 0xf0;
      if (op === B.BPF_JA) return f.code === (B.BPF_JMP | B.BPF_JA) && f.k < after;
      return f.code <= 0xff && op <= B.BPF_JSET && f.jt < after && f.jf < after;
    }
    case B.BPF_RET:
      return f.code === B.BPF_RET || f.code === (B.BPF_RET | B.BPF_A);
    default:
      return f.code === (B.BPF_MISC | B.BPF_TAX) || f.code === (B.BPF_MISC | B.BPF_TXA);
  }
}
/** check_load_and_stores: which words are written on every way to an instruction. */
function memoryWritten(prog: readonly SockFilter[]): boolean {
  const masks = new Array<number>(prog.length).fill(0xffff);
  let valid = 0;
  for (const [pc, f] of prog.entries()) {
    valid &= masks[pc];
    const kind = f.code & 7;
    if (kind === B.BPF_ST || kind === B.BPF_STX) valid |= 1 << f.k;
    else if ((kind === B.BPF_LD || kind === B.BPF_LDX) && (f.code & 0xe0) === B.BPF_MEM) {
      if ((valid & (1 << f.k)) === 0) return false;
    } else if (kind === B.BPF_JMP) {
      const targets = (f.code & 0xf0) === B.BPF_JA ? [f.k] : [f.jt, f.jf];
      for (const t of targets) masks[pc + 1 + t] &= valid;
      valid = 0xffff;
    }
  }
  return true;
}

/** Bytes of a packet at an offset of a load; null = outside. */
function loadBytes(data: DataView, k: number, size: number, info: FilterInfo): number | null {
  let at = k;
  if (k < 0) {
    if (k >= B.SKF_AD_OFF) return ancillary(k - B.SKF_AD_OFF, info);
    at = k >= B.SKF_NET_OFF ? k - B.SKF_NET_OFF + info.network : k >= B.SKF_LL_OFF ? k - B.SKF_LL_OFF : -1;
  }
  const n = size === B.BPF_W ? 4 : size === B.BPF_H ? 2 : 1;
  if (at < 0 || at + n > data.byteLength) return null;
  return n === 4 ? data.getUint32(at) : n === 2 ? data.getUint16(at) : data.getUint8(at);
}
function ancillary(what: number, info: FilterInfo): number | null {
  switch (what) {
    case B.SKF_AD_PROTOCOL:
      return info.protocol;
    case B.SKF_AD_PKTTYPE:
      return info.pktType;
    case B.SKF_AD_IFINDEX:
      return info.ifindex;
    case B.SKF_AD_HATYPE:
      return info.hatype;
    default:
      return 0; // no mark, queue, hash or tag
  }
}
/** What a load of the program's data finds at an offset (signed) with BPF_W, BPF_H or BPF_B; null = outside. */
export type ClassicLoad = (at: number, size: number) => number | null;
/** Runs a checked program on data of `length` bytes: what it returns, 0 when a load or a division fails. Jumps go forward only, so it ends. */
export function runClassic(prog: readonly SockFilter[], length: number, load: ClassicLoad): number {
  const mem = new Uint32Array(B.BPF_MEMWORDS);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < prog.length; pc++) {
    const f = prog[pc];
    const mode = f.code & 0xe0;
    switch (f.code & 7) {
      case B.BPF_LD:
      case B.BPF_LDX: {
        let value: number | null;
        if (mode === B.BPF_IMM) value = f.k;
        else if (mode === B.BPF_LEN) value = length;
        else if (mode === B.BPF_MEM) value = mem[f.k];
        else if (mode === B.BPF_MSH) {
          const b = load(f.k | 0, B.BPF_B);
          value = b === null ? null : (b & 15) * 4;
        } else value = load(mode === B.BPF_IND ? (f.k + x) | 0 : f.k | 0, f.code & 0x18);
        if (value === null) return 0;
        if ((f.code & 7) === B.BPF_LD) a = value;
        else x = value;
        break;
      }
      case B.BPF_ST:
        mem[f.k] = a;
        break;
      case B.BPF_STX:
        mem[f.k] = x;
        break;
      case B.BPF_ALU: {
        const value = alu(f.code & 0xf0, a, (f.code & B.BPF_X) !== 0 ? x : f.k);
        if (value === null) return 0;
        a = value;
        break;
      }
      case B.BPF_JMP:
        if ((f.code & 0xf0) === B.BPF_JA) pc += f.k;
        else pc += jumps(f.code & 0xf0, a, (f.code & B.BPF_X) !== 0 ? x : f.k) ? f.jt : f.jf;
        break;
      case B.BPF_RET:
        return (f.code & B.BPF_A) !== 0 ? a : f.k;
      default:
        if ((f.code & 0xf8) === B.BPF_TXA) a = x;
        else x = a;
    }
  }
  return 0;
}
/** How many bytes of a packet the socket takes (sk_filter): all of them when it has no filter. */
export function skFilter(sk: Sock, bytes: Uint8Array, info: FilterInfo): number {
  if (sk.filter === null) return bytes.length;
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Math.min(bytes.length, runClassic(sk.filter, bytes.length, (at, size) => loadBytes(data, at, size, info)));
}

/** SO_ATTACH_FILTER: `value` is the struct sock_fprog. */
export function attachFilter(k: Kernel, sk: Sock, value: Uint8Array): number {
  if (value.length !== 16) return -EINVAL;
  if (sk.filterLocked) return -EPERM;
  const prog = readInsns(k, new DataView(value.buffer, value.byteOffset, 16));
  if (typeof prog === 'number') return prog === -EFAULT ? -EFAULT : -EINVAL;
  if (!checkClassic(prog)) return -EINVAL;
  sk.filter = prog;
  return 0;
}
export function detachFilter(sk: Sock): number {
  if (sk.filterLocked) return -EPERM;
  if (sk.filter === null) return -ENOENT;
  sk.filter = null;
  return 0;
}
