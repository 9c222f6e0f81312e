import { xxh64 } from './xxhash.ts';

// Decompression of Zstandard (lib/zstd; RFC 8878): frames one after the other, without dictionaries. Null where the data is damaged or asks for something else.

const MAGIC = 0xfd2f_b528;
const SKIPPABLE = 0x184d_2a50;
const BLOCK_MAX = 128 * 1024;
const WINDOW_LOG_MAX = 27;

class Damaged extends Error {}
function check(ok: boolean): asserts ok {
  if (!ok) throw new Damaged();
}

/** Bits of a range of bytes from its last one backwards; the highest set bit of the last byte is where they begin. */
class BackwardBits {
  private readonly bytes: Uint8Array;
  /** Bits that are left; negative: read past the beginning, where zeros are. */
  left: number;
  constructor(bytes: Uint8Array) {
    check(bytes.length > 0 && bytes[bytes.length - 1] !== 0);
    this.bytes = bytes;
    this.left = bytes.length * 8 - 8 + (31 - Math.clz32(bytes[bytes.length - 1]));
  }
  /** The next `count` (at most 25) bits without taking them. */
  peek(count: number): number {
    const from = this.left - count;
    const first = Math.floor(from / 8);
    let value = 0;
    for (let i = 3; i >= 0; i--) value = value * 256 + (this.bytes[first + i] ?? 0);
    return Math.floor(value / 2 ** (from - first * 8)) % 2 ** count;
  }
  read(count: number): number {
    let value = 0;
    let rest = count;
    while (rest > 0) {
      const n = Math.min(rest, 16);
      value = value * 2 ** n + this.peek(n);
      this.left -= n;
      rest -= n;
    }
    return value;
  }
}

/** A decoding table of finite state entropy: symbol, bits to read and base of the next state for each state. */
interface FseTable {
  readonly log: number;
  readonly symbol: Uint8Array;
  readonly bits: Uint8Array;
  readonly base: Uint16Array;
}
/** RFC 8878 4.1.1: the table that a distribution gives. -1 = less than one. */
function fseTable(distribution: readonly number[], log: number): FseTable {
  const size = 1 << log;
  const symbol = new Uint8Array(size);
  const next = new Uint16Array(distribution.length);
  let high = size;
  distribution.forEach((p, s) => {
    next[s] = p === -1 ? 1 : p;
    if (p === -1) symbol[--high] = s;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  distribution.forEach((p, s) => {
    for (let i = 0; i < p; i++) {
      symbol[at] = s;
      do at = (at + step) & (size - 1);
      while (at >= high);
    }
  });
  check(at === 0);
  const bits = new Uint8Array(size);
  const base = new Uint16Array(size);
  for (let i = 0; i < size; i++) {
    const x = next[symbol[i]]++;
    bits[i] = log - (31 - Math.clz32(x));
    base[i] = (x << bits[i]) - size;
  }
  return { log, symbol, bits, base };
}
/** Reads a distribution from the front of `bytes` (RFC 8878 4.1.1): the table and how many bytes it took. */
function readFse(bytes: Uint8Array, maxLog: number, maxSymbol: number): { table: FseTable; used: number } {
  let bit = 0;
  const peek = (n: number) => {
    let value = 0;
    for (let i = 0; i < n; i++) value |= (((bytes[(bit + i) >> 3] ?? 0) >> ((bit + i) & 7)) & 1) << i;
    return value;
  };
  const log = peek(4) + 5;
  bit = 4;
  check(log <= maxLog);
  let remaining = (1 << log) + 1;
  const distribution: number[] = [];
  while (remaining > 1) {
    check(distribution.length <= maxSymbol && bit < bytes.length * 8);
    const n = 32 - Math.clz32(remaining);
    const low = (1 << (n - 1)) - 1;
    const threshold = (1 << n) - 1 - remaining;
    let value = peek(n - 1);
    if (value < threshold) bit += n - 1;
    else {
      value = peek(n);
      bit += n;
      if (value > low) value -= threshold;
    }
    const p = value - 1;
    remaining -= Math.abs(p);
    check(remaining >= 1);
    distribution.push(p);
    if (p !== 0) continue;
    for (;;) {
      const zeros = peek(2);
      bit += 2;
      for (let i = 0; i < zeros; i++) distribution.push(0);
      if (zeros < 3) break;
      check(distribution.length <= maxSymbol + 1);
    }
  }
  check(distribution.length <= maxSymbol + 1);
  const used = (bit + 7) >> 3;
  check(used <= bytes.length);
  return { table: fseTable(distribution, log), used };
}

interface Huffman {
  readonly log: number;
  /** By the next `log` bits. */
  readonly symbol: Uint8Array;
  readonly bits: Uint8Array;
}
const HUFFMAN_LOG_MAX = 11;
/** RFC 8878 4.2.1: the tree at the front of `bytes`, and how many bytes it took. */
function readHuffman(bytes: Uint8Array): { huffman: Huffman; used: number } {
  check(bytes.length > 1);
  const head = bytes[0];
  const weights: number[] = [];
  let used = 1;
  if (head >= 128) {
    const count = head - 127;
    used += (count + 1) >> 1;
    check(used <= bytes.length);
    for (let i = 0; i < count; i++) weights.push(i % 2 === 0 ? bytes[1 + (i >> 1)] >> 4 : bytes[1 + (i >> 1)] & 15);
  } else {
    used += head;
    check(used <= bytes.length);
    const { table, used: tableSize } = readFse(bytes.subarray(1, used), 6, 255);
    const stream = new BackwardBits(bytes.subarray(1 + tableSize, used));
    // Two states take turns.
    let [a, b] = [stream.read(table.log), stream.read(table.log)];
    check(stream.left >= 0);
    for (;;) {
      check(weights.length < 254);
      weights.push(table.symbol[a]);
      if (stream.left < table.bits[a]) {
        weights.push(table.symbol[b]);
        break;
      }
      a = table.base[a] + stream.read(table.bits[a]);
      [a, b] = [b, a];
    }
  }
  const sum = weights.reduce((n, w) => n + (w > 0 ? 1 << (w - 1) : 0), 0);
  check(sum > 0);
  const log = 32 - Math.clz32(sum);
  const rest = (1 << log) - sum;
  check(log <= HUFFMAN_LOG_MAX && (rest & (rest - 1)) === 0);
  weights.push(32 - Math.clz32(rest));
  const symbol = new Uint8Array(1 << log);
  const bits = new Uint8Array(1 << log);
  let at = 0;
  for (let w = 1; w <= log; w++) {
    weights.forEach((weight, s) => {
      if (weight !== w) return;
      symbol.fill(s, at, at + (1 << (w - 1)));
      bits.fill(log + 1 - w, at, at + (1 << (w - 1)));
      at += 1 << (w - 1);
    });
  }
  check(at === 1 << log);
  return { huffman: { log, symbol, bits }, used };
}
function decodeHuffman(h: Huffman, bytes: Uint8Array, out: Uint8Array): void {
  const stream = new BackwardBits(bytes);
  for (let i = 0; i < out.length; i++) {
    const index = stream.peek(h.log);
    out[i] = h.symbol[index];
    stream.left -= h.bits[index];
  }
  check(stream.left === 0);
}

/** Codes of lengths: bases and extra bits (RFC 8878 3.1.1.3.2.1.1). */
const LL_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const ML_BITS = [...new Array<number>(32).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
function bases(bits: readonly number[], first: number): number[] {
  const out: number[] = [];
  let at = first;
  for (const b of bits) {
    out.push(at);
    at += 2 ** b;
  }
  return out;
}
// From code 25 (43 for matches) on a base is a power of two (and three for matches).
const LL_BASE = bases(LL_BITS, 0).map((b, i) => (i >= 25 ? 2 ** LL_BITS[i] : b));
const ML_BASE = bases(ML_BITS, 3).map((b, i) => (i >= 43 ? 2 ** ML_BITS[i] + 3 : b));
const LL_DEFAULT = [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1];
const ML_DEFAULT = [
  1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
  -1, -1,
];
const OF_DEFAULT = [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
const KINDS = [
  { maxLog: 9, maxSymbol: 35, table: fseTable(LL_DEFAULT, 6) },
  { maxLog: 8, maxSymbol: 31, table: fseTable(OF_DEFAULT, 5) },
  { maxLog: 9, maxSymbol: 52, table: fseTable(ML_DEFAULT, 6) },
] as const;

/** What blocks of a frame hand on to the next. */
interface FrameState {
  huffman: Huffman | null;
  readonly tables: (FseTable | null)[];
  offsets: [number, number, number];
}
class Output {
  bytes = new Uint8Array(65536);
  length = 0;
  readonly max: number;
  constructor(max: number) {
    this.max = max;
  }
  reserve(n: number): void {
    check(this.length + n <= this.max);
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
  put(data: Uint8Array): void {
    this.reserve(data.length);
    this.bytes.set(data, this.length);
    this.length += data.length;
  }
}

/** The literals of a block (RFC 8878 3.1.1.3.1), and where they end. */
function literals(block: Uint8Array, state: FrameState): { data: Uint8Array; used: number } {
  check(block.length > 0);
  const type = block[0] & 3;
  const format = (block[0] >> 2) & 3;
  const head = (n: number) => {
    check(block.length >= n);
    let value = 0;
    for (let i = n - 1; i >= 0; i--) value = value * 256 + block[i];
    return value;
  };
  if (type < 2) {
    const [bytes, shift] = format === 1 ? [2, 4] : format === 3 ? [3, 4] : [1, 3];
    const size = Math.floor(head(bytes) / 2 ** shift);
    check(size <= BLOCK_MAX);
    const end = bytes + (type === 0 ? size : 1);
    check(end <= block.length);
    return { data: type === 0 ? block.subarray(bytes, end) : new Uint8Array(size).fill(block[bytes]), used: end };
  }
  const [bytes, width] = format < 2 ? [3, 10] : format === 2 ? [4, 14] : [5, 18];
  const value = head(bytes);
  const size = Math.floor(value / 16) % 2 ** width;
  const packed = Math.floor(value / 2 ** (4 + width));
  const end = bytes + packed;
  check(size <= BLOCK_MAX && end <= block.length);
  let at = bytes;
  if (type === 2) {
    const tree = readHuffman(block.subarray(at, end));
    state.huffman = tree.huffman;
    at += tree.used;
  }
  const { huffman } = state;
  check(huffman !== null);
  const data = new Uint8Array(size);
  if (format === 0) {
    decodeHuffman(huffman, block.subarray(at, end), data);
    return { data, used: end };
  }
  check(at + 6 <= end && size >= 6);
  const sizes = [0, 2, 4].map((i) => block[at + i] | (block[at + i + 1] << 8));
  at += 6;
  const quarter = (size + 3) >> 2;
  for (let i = 0; i < 4; i++) {
    const to = i < 3 ? at + sizes[i] : end;
    check(to <= end && quarter * i <= size);
    decodeHuffman(huffman, block.subarray(at, to), data.subarray(quarter * i, i < 3 ? quarter * (i + 1) : size));
    at = to;
  }
  return { data, used: end };
}
function compressedBlock(block: Uint8Array, state: FrameState, out: Output, frameStart: number): void {
  const lit = literals(block, state);
  let at = lit.used;
  check(at < block.length);
  let count = block[at++];
  if (count >= 128) {
    check(at + (count === 255 ? 2 : 1) <= block.length);
    count = count === 255 ? block[at] + block[at + 1] * 256 + 0x7f00 : (count - 128) * 256 + block[at];
    at += count >= 0x7f00 ? 2 : 1;
  }
  if (count === 0) {
    check(at === block.length);
    out.put(lit.data);
    return;
  }
  check(at < block.length);
  const modes = block[at++];
  check((modes & 3) === 0);
  KINDS.forEach((kind, i) => {
    const mode = (modes >> (6 - 2 * i)) & 3;
    if (mode === 0) state.tables[i] = kind.table;
    else if (mode === 1) {
      check(at < block.length && block[at] <= kind.maxSymbol);
      state.tables[i] = { log: 0, symbol: Uint8Array.of(block[at++]), bits: Uint8Array.of(0), base: Uint16Array.of(0) };
    } else if (mode === 2) {
      const { table, used } = readFse(block.subarray(at), kind.maxLog, kind.maxSymbol);
      state.tables[i] = table;
      at += used;
    }
  });
  const [ll, of, ml] = state.tables;
  check(ll !== null && of !== null && ml !== null);
  const stream = new BackwardBits(block.subarray(at));
  let [sl, so, sm] = [stream.read(ll.log), stream.read(of.log), stream.read(ml.log)];
  let taken = 0;
  for (let i = 0; i < count; i++) {
    const value = 2 ** of.symbol[so] + stream.read(of.symbol[so]);
    const length = ML_BASE[ml.symbol[sm]] + stream.read(ML_BITS[ml.symbol[sm]]);
    const run = LL_BASE[ll.symbol[sl]] + stream.read(LL_BITS[ll.symbol[sl]]);
    if (i < count - 1) {
      sl = ll.base[sl] + stream.read(ll.bits[sl]);
      sm = ml.base[sm] + stream.read(ml.bits[sm]);
      so = of.base[so] + stream.read(of.bits[so]);
    }
    check(stream.left >= 0 && taken + run <= lit.data.length);
    out.put(lit.data.subarray(taken, taken + run));
    taken += run;
    const offset = offsetOf(state, value, run);
    check(offset > 0 && offset <= out.length - frameStart);
    out.reserve(length);
    for (let n = 0; n < length; n++, out.length++) out.bytes[out.length] = out.bytes[out.length - offset];
  }
  check(stream.left === 0);
  out.put(lit.data.subarray(taken));
}
/** An offset, or one of the last three again (RFC 8878 3.1.1.5). */
function offsetOf(state: FrameState, value: number, run: number): number {
  const [a, b, c] = state.offsets;
  if (value > 3) {
    state.offsets = [value - 3, a, b];
    return value - 3;
  }
  const which = value - 1 + (run === 0 ? 1 : 0);
  if (which === 0) return a;
  const offset = which === 1 ? b : which === 2 ? c : a - 1;
  state.offsets = which === 1 ? [b, a, c] : [offset, a, b];
  return offset;
}

/** One frame at `at`: where it ends. */
function frame(data: Uint8Array, start: number, out: Output): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let at = start;
  const need = (n: number) => check(at + n <= data.length);
  need(4);
  const magic = view.getUint32(at, true);
  at += 4;
  if (magic - (magic % 16) === SKIPPABLE) {
    need(4);
    at += 4 + view.getUint32(at, true);
    check(at <= data.length);
    return at;
  }
  check(magic === MAGIC);
  need(1);
  const descriptor = data[at++];
  const single = (descriptor & 0x20) !== 0;
  check((descriptor & 8) === 0);
  if (!single) {
    need(1);
    check((data[at++] >> 3) + 10 <= WINDOW_LOG_MAX);
  }
  const dictionary = [0, 1, 2, 4][descriptor & 3];
  need(dictionary);
  for (let i = 0; i < dictionary; i++) check(data[at++] === 0);
  const sizeBytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  need(sizeBytes);
  let size = 0;
  for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + data[at + i];
  if (sizeBytes === 2) size += 256;
  at += sizeBytes;
  const state: FrameState = { huffman: null, tables: [null, null, null], offsets: [1, 4, 8] };
  const begin = out.length;
  for (let last = false; !last; ) {
    need(3);
    const head = data[at] | (data[at + 1] << 8) | (data[at + 2] << 16);
    at += 3;
    last = (head & 1) !== 0;
    const type = (head >> 1) & 3;
    const length = head >> 3;
    check(type !== 3 && length <= BLOCK_MAX);
    need(type === 1 ? 1 : length);
    if (type === 0) out.put(data.subarray(at, at + length));
    else if (type === 1) out.put(new Uint8Array(length).fill(data[at]));
    else compressedBlock(data.subarray(at, at + length), state, out, begin);
    at += type === 1 ? 1 : length;
  }
  check(sizeBytes === 0 || out.length - begin === size);
  if ((descriptor & 4) !== 0) {
    need(4);
    check(view.getUint32(at, true) === Number(xxh64(out.bytes.subarray(begin, out.length), 0n) & 0xffff_ffffn));
    at += 4;
  }
  return at;
}
/** What the first frame's header says that it holds; null when it says nothing, or is no header. */
export function zstdContentSize(data: Uint8Array): number | null {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < 6 || view.getUint32(0, true) !== MAGIC) return null;
  const descriptor = data[4];
  const single = (descriptor & 0x20) !== 0;
  const bytes = [single ? 1 : 0, 2, 4, 8][descriptor >> 6];
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][descriptor & 3];
  if (bytes === 0 || at + bytes > data.length) return null;
  let size = 0;
  for (let i = bytes - 1; i >= 0; i--) size = size * 256 + data[at + i];
  return bytes === 2 ? size + 256 : size;
}
/** The contents of all frames, at most `max` bytes. */
export function unzstd(data: Uint8Array, max: number): Uint8Array | null {
  const out = new Output(max);
  try {
    for (let at = 0; at < data.length; ) at = frame(data, at, out);
  } catch (e) {
    if (e instanceof Damaged) return null;
    throw e;
  }
  return out.bytes.subarray(0, out.length);
}
