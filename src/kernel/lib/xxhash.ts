import type { Kernel } from '../kernel.ts';
import { EINVAL } from '../../abi/errno.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { load, size } from './access.ts';
import { load32, load64, loadBig, loadBytes, store32, store64, storeBig, storeBytes } from './guest_memory.ts';

// xxHash, 32 and 64 bits (lib/xxhash.c; the specification is xxHash's own xxhash_spec). The state of a running hash is the caller's.

const P32 = [0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x1656_67b1] as const;
const P64 = [0x9e37_79b1_85eb_ca87n, 0xc2b2_ae3d_27d4_eb4fn, 0x1656_67b1_9e37_79f9n, 0x85eb_ca77_c2b2_ae63n, 0x27d4_eb2f_1656_67c5n] as const;
const u = (n: bigint) => BigInt.asUintN(64, n);
const rotl64 = (x: bigint, r: bigint) => u(x << r) | (x >> (64n - r));
const rotl32 = (x: number, r: number) => ((x << r) | (x >>> (32 - r))) >>> 0;
const mul32 = (a: number, b: number) => Math.imul(a, b) >>> 0;

const round64 = (acc: bigint, input: bigint) => u(rotl64(u(acc + input * P64[1]), 31n) * P64[0]);
const round32 = (acc: number, input: number) => mul32(rotl32((acc + mul32(input, P32[1])) >>> 0, 13), P32[0]);
const start64 = (seed: bigint) => [u(seed + P64[0] + P64[1]), u(seed + P64[1]), seed, u(seed - P64[0])];
const start32 = (seed: number) => [(seed + P32[0] + P32[1]) >>> 0, (seed + P32[1]) >>> 0, seed >>> 0, (seed - P32[0]) >>> 0];

/** From the sum of the lanes and the length to the result, with the bytes that filled no stripe. */
function end64(from: bigint, rest: Uint8Array): bigint {
  const v = new DataView(rest.buffer, rest.byteOffset, rest.length);
  let h = from;
  let i = 0;
  for (; i + 8 <= rest.length; i += 8) h = u(rotl64(h ^ round64(0n, v.getBigUint64(i, true)), 27n) * P64[0] + P64[3]);
  if (i + 4 <= rest.length) {
    h = u(rotl64(h ^ u(BigInt(v.getUint32(i, true)) * P64[0]), 23n) * P64[1] + P64[2]);
    i += 4;
  }
  for (; i < rest.length; i++) h = u(rotl64(h ^ u(BigInt(rest[i]) * P64[4]), 11n) * P64[0]);
  h = u((h ^ (h >> 33n)) * P64[1]);
  h = u((h ^ (h >> 29n)) * P64[2]);
  return h ^ (h >> 32n);
}
function end32(from: number, rest: Uint8Array): number {
  const v = new DataView(rest.buffer, rest.byteOffset, rest.length);
  let h = from;
  let i = 0;
  for (; i + 4 <= rest.length; i += 4) h = mul32(rotl32((h + mul32(v.getUint32(i, true), P32[2])) >>> 0, 17), P32[3]);
  for (; i < rest.length; i++) h = mul32(rotl32((h + mul32(rest[i], P32[4])) >>> 0, 11), P32[0]);
  h = mul32(h ^ (h >>> 15), P32[1]);
  h = mul32(h ^ (h >>> 13), P32[2]);
  return (h ^ (h >>> 16)) >>> 0;
}
function join64(lanes: readonly bigint[]): bigint {
  let h = u(rotl64(lanes[0], 1n) + rotl64(lanes[1], 7n) + rotl64(lanes[2], 12n) + rotl64(lanes[3], 18n));
  for (const lane of lanes) h = u((h ^ round64(0n, lane)) * P64[0] + P64[3]);
  return h;
}
const join32 = (l: readonly number[]) => (rotl32(l[0], 1) + rotl32(l[1], 7) + rotl32(l[2], 12) + rotl32(l[3], 18)) >>> 0;
/** Takes whole stripes of 32 bytes into the lanes: how many bytes that were. */
function stripes64(lanes: bigint[], bytes: Uint8Array): number {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let i = 0;
  for (; i + 32 <= bytes.length; i += 32) for (let j = 0; j < 4; j++) lanes[j] = round64(lanes[j], v.getBigUint64(i + j * 8, true));
  return i;
}
function stripes32(lanes: number[], bytes: Uint8Array): number {
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let i = 0;
  for (; i + 16 <= bytes.length; i += 16) for (let j = 0; j < 4; j++) lanes[j] = round32(lanes[j], v.getUint32(i + j * 4, true));
  return i;
}
export function xxh64(bytes: Uint8Array, seed: bigint): bigint {
  const lanes = start64(seed);
  const used = stripes64(lanes, bytes);
  return end64(u((bytes.length >= 32 ? join64(lanes) : seed + P64[4]) + BigInt(bytes.length)), bytes.subarray(used));
}
export function xxh32(bytes: Uint8Array, seed: number): number {
  const lanes = start32(seed);
  const used = stripes32(lanes, bytes);
  return end32(((bytes.length >= 16 ? join32(lanes) : (seed + P32[4]) >>> 0) + bytes.length) >>> 0, bytes.subarray(used));
}

// struct xxh64_state: total_len, v1..v4, mem64[4], memsize. struct xxh32_state: total_len_32, large_len, v1..v4, mem32[4], memsize.
const S64 = { lanes: 8, mem: 40, memsize: 72, sizeof: 80 } as const;
const S32 = { large: 4, lanes: 8, mem: 24, memsize: 40, sizeof: 44 } as const;
const LANES = [0, 1, 2, 3] as const;

function update64(k: Kernel, state: number, input: number, length: number): number {
  if (input === 0) return -EINVAL;
  const more = load(k, input, size(length));
  storeBig(k, state, loadBig(k, state) + BigInt(more.length));
  const kept = Math.min(load32(k, state + S64.memsize), 31);
  const all = new Uint8Array(kept + more.length);
  all.set(loadBytes(k, state + S64.mem, kept));
  all.set(more, kept);
  const lanes = LANES.map((i) => u(loadBig(k, state + S64.lanes + i * 8)));
  const used = stripes64(lanes, all);
  for (const i of LANES) storeBig(k, state + S64.lanes + i * 8, lanes[i]);
  storeBytes(k, state + S64.mem, all.subarray(used));
  store32(k, state + S64.memsize, all.length - used);
  return 0;
}
function digest64(k: Kernel, state: number): bigint {
  const total = u(loadBig(k, state));
  const lanes = LANES.map((i) => u(loadBig(k, state + S64.lanes + i * 8)));
  return end64(u((total >= 32n ? join64(lanes) : lanes[2] + P64[4]) + total), loadBytes(k, state + S64.mem, Math.min(load32(k, state + S64.memsize), 31)));
}
function update32(k: Kernel, state: number, input: number, length: number): number {
  if (input === 0) return -EINVAL;
  const more = load(k, input, size(length));
  const total = (load32(k, state) + more.length) >>> 0;
  store32(k, state, total);
  if (more.length >= 16 || total >= 16) store32(k, state + S32.large, 1);
  const kept = Math.min(load32(k, state + S32.memsize), 15);
  const all = new Uint8Array(kept + more.length);
  all.set(loadBytes(k, state + S32.mem, kept));
  all.set(more, kept);
  const lanes = LANES.map((i) => load32(k, state + S32.lanes + i * 4));
  const used = stripes32(lanes, all);
  for (const i of LANES) store32(k, state + S32.lanes + i * 4, lanes[i]);
  storeBytes(k, state + S32.mem, all.subarray(used));
  store32(k, state + S32.memsize, all.length - used);
  return 0;
}
function digest32(k: Kernel, state: number): number {
  const lanes = LANES.map((i) => load32(k, state + S32.lanes + i * 4));
  const from = load32(k, state + S32.large) !== 0 ? join32(lanes) : (lanes[2] + P32[4]) >>> 0;
  return end32((from + load32(k, state)) >>> 0, loadBytes(k, state + S32.mem, Math.min(load32(k, state + S32.memsize), 15)));
}

export const xxhashExports: readonly FunctionExport[] = [
  fn('xxh32', (k, p, n, seed) => xxh32(load(k, p, size(n)), seed >>> 0) | 0),
  fn('xxh64', (k, p, n) => xxh64(load(k, p, size(n)), u(k.machine.regs.getBig(12)))),
  fn('xxh32_reset', (k, state, seed) => {
    storeBytes(k, state, new Uint8Array(S32.sizeof));
    const lanes = start32(seed >>> 0);
    for (const i of LANES) store32(k, state + S32.lanes + i * 4, lanes[i]);
  }),
  fn('xxh64_reset', (k, state) => {
    storeBytes(k, state, new Uint8Array(S64.sizeof));
    const lanes = start64(u(k.machine.regs.getBig(11)));
    for (const i of LANES) storeBig(k, state + S64.lanes + i * 8, lanes[i]);
  }),
  fn('xxh32_update', update32),
  fn('xxh64_update', update64),
  fn('xxh32_digest', (k, state) => digest32(k, state) | 0),
  fn('xxh64_digest', (k, state) => digest64(k, state)),
  fn('xxh32_copy_state', (k, to, from) => storeBytes(k, to, loadBytes(k, from, S32.sizeof))),
  fn('xxh64_copy_state', (k, to, from) => {
    storeBytes(k, to, loadBytes(k, from, S64.sizeof));
    store64(k, to, load64(k, from));
  }),
];
