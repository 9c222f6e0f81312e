// Decompression of .xz (lib/xz): the container of the .xz file format specification 1.1.0 with LZMA2 blocks, as xz --check=crc32 --lzma2 makes for modules.
// Null where the data is damaged or asks for something else.

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0];
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64] as const;
const FILTER_LZMA2 = 0x21;
/** What a decompressed module may hold. */
const OUTPUT_MAX = 2 ** 28;

/** What xz_dec_run says (include/linux/xz.h). XZ_OK: the input ends too early. */
export const XZ_OK = 0;
export const XZ_FORMAT_ERROR = 5;
export const XZ_OPTIONS_ERROR = 6;
export const XZ_DATA_ERROR = 7;
export const XZ_BUF_ERROR = 8;
class Damaged extends Error {
  readonly ret: number;
  constructor(ret = XZ_DATA_ERROR) {
    super();
    this.ret = ret;
  }
}
class Input {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }
  byte(): number {
    if (this.at >= this.end) throw new Damaged(this.end === this.bytes.length ? XZ_OK : XZ_DATA_ERROR);
    return this.bytes[this.at++];
  }
  u16be(): number {
    return this.byte() * 256 + this.byte();
  }
  u32be(): number {
    return this.u16be() * 65536 + this.u16be();
  }
  /** A number in 7-bit groups, the lowest first. */
  vli(): number {
    let value = 0;
    for (let i = 0; i < 9; i++) {
      const b = this.byte();
      value += (b & 0x7f) * 2 ** (7 * i);
      if ((b & 0x80) === 0) return value;
    }
    throw new Damaged();
  }
}
class Output {
  bytes = new Uint8Array(65536);
  length = 0;
  readonly max: number;
  constructor(max: number) {
    this.max = max;
  }
  reserve(n: number): void {
    if (this.length + n > this.max) throw new Damaged(XZ_BUF_ERROR);
    if (this.length + n <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

const STATES = 12;
const POS_STATES_MAX = 16;
const PROB_INIT = 1024;
const MATCH_MIN = 2;
const probs = (n: number) => new Uint16Array(n).fill(PROB_INIT);
class LengthCoder {
  readonly choice = probs(2);
  readonly low = probs(POS_STATES_MAX * 8);
  readonly mid = probs(POS_STATES_MAX * 8);
  readonly high = probs(256);
}
/** The probabilities and history of LZMA (specification: LZMA SDK, lzma-specification.txt). */
class Lzma {
  private readonly out: Output;
  private lc = 0;
  private lp = 0;
  private pb = 0;
  private state = 0;
  private rep = [0, 0, 0, 0];
  private literal = probs(0);
  private isMatch = probs(0);
  private isRep = probs(0);
  private isRepG0 = probs(0);
  private isRepG1 = probs(0);
  private isRepG2 = probs(0);
  private isRep0Long = probs(0);
  private slots = probs(0);
  private special = probs(0);
  private align = probs(0);
  private lengths = new LengthCoder();
  private repLengths = new LengthCoder();
  private range = 0;
  private code = 0;
  private input!: Input;

  constructor(out: Output) {
    this.out = out;
  }
  setProperties(byte: number): void {
    if (byte >= 225) throw new Damaged();
    this.lc = byte % 9;
    this.lp = Math.floor(byte / 9) % 5;
    this.pb = Math.floor(byte / 45);
    if (this.lc + this.lp > 4) throw new Damaged();
  }
  resetState(): void {
    this.state = 0;
    this.rep = [0, 0, 0, 0];
    this.literal = probs(0x300 << (this.lc + this.lp));
    this.isMatch = probs(STATES * POS_STATES_MAX);
    this.isRep = probs(STATES);
    this.isRepG0 = probs(STATES);
    this.isRepG1 = probs(STATES);
    this.isRepG2 = probs(STATES);
    this.isRep0Long = probs(STATES * POS_STATES_MAX);
    this.slots = probs(4 * 64);
    this.special = probs(115);
    this.align = probs(16);
    this.lengths = new LengthCoder();
    this.repLengths = new LengthCoder();
  }
  private bit(table: Uint16Array, i: number): number {
    if (this.range < 0x100_0000) {
      this.range = (this.range << 8) >>> 0;
      this.code = ((this.code << 8) | this.input.byte()) >>> 0;
    }
    const p = table[i];
    const bound = (this.range >>> 11) * p;
    if (this.code < bound) {
      this.range = bound;
      table[i] = p + ((2048 - p) >> 5);
      return 0;
    }
    this.range -= bound;
    this.code -= bound;
    table[i] = p - (p >> 5);
    return 1;
  }
  private direct(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      if (this.range < 0x100_0000) {
        this.range = (this.range << 8) >>> 0;
        this.code = ((this.code << 8) | this.input.byte()) >>> 0;
      }
      this.range >>>= 1;
      const one = this.code >= this.range ? 1 : 0;
      if (one === 1) this.code -= this.range;
      value = value * 2 + one;
    }
    return value;
  }
  private tree(table: Uint16Array, base: number, bits: number): number {
    let m = 1;
    for (let i = 0; i < bits; i++) m = (m << 1) | this.bit(table, base + m);
    return m - (1 << bits);
  }
  private reverse(table: Uint16Array, base: number, bits: number): number {
    let m = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const b = this.bit(table, base + m);
      m = (m << 1) | b;
      value |= b << i;
    }
    return value;
  }
  private readLength(coder: LengthCoder, posState: number): number {
    if (this.bit(coder.choice, 0) === 0) return MATCH_MIN + this.tree(coder.low, posState * 8, 3);
    if (this.bit(coder.choice, 1) === 0) return MATCH_MIN + 8 + this.tree(coder.mid, posState * 8, 3);
    return MATCH_MIN + 16 + this.tree(coder.high, 0, 8);
  }
  /** One chunk: `size` bytes of output from `packed` bytes of input; matches may reach back to `dictStart`. */
  chunk(input: Input, packed: number, size: number, dictStart: number): void {
    const end = input.at + packed;
    this.input = new Input(input.bytes, input.at, Math.min(end, input.end));
    if (this.input.byte() !== 0) throw new Damaged();
    this.range = 0xffff_ffff;
    this.code = this.input.u32be();
    const { out } = this;
    out.reserve(size);
    const limit = out.length + size;
    while (out.length < limit) this.symbol(limit, dictStart);
    if (this.range < 0x100_0000) this.input.byte();
    if (this.input.at !== end) throw new Damaged();
    input.at = end;
  }
  private symbol(limit: number, dictStart: number): void {
    const { out } = this;
    const posState = (out.length - dictStart) & ((1 << this.pb) - 1);
    if (this.bit(this.isMatch, this.state * POS_STATES_MAX + posState) === 0) {
      this.readLiteral(dictStart);
      return;
    }
    let length: number;
    if (this.bit(this.isRep, this.state) === 0) {
      length = this.readLength(this.lengths, posState);
      const slot = this.tree(this.slots, Math.min(length - MATCH_MIN, 3) * 64, 6);
      this.rep = [this.readDistance(slot), this.rep[0], this.rep[1], this.rep[2]];
      this.state = this.state < 7 ? 7 : 10;
    } else {
      const { rep } = this;
      if (this.bit(this.isRepG0, this.state) === 0) {
        if (this.bit(this.isRep0Long, this.state * POS_STATES_MAX + posState) === 0) {
          this.state = this.state < 7 ? 9 : 11;
          this.copy(1, limit, dictStart);
          return;
        }
      } else if (this.bit(this.isRepG1, this.state) === 0) this.rep = [rep[1], rep[0], rep[2], rep[3]];
      else if (this.bit(this.isRepG2, this.state) === 0) this.rep = [rep[2], rep[0], rep[1], rep[3]];
      else this.rep = [rep[3], rep[0], rep[1], rep[2]];
      length = this.readLength(this.repLengths, posState);
      this.state = this.state < 7 ? 8 : 11;
    }
    this.copy(length, limit, dictStart);
  }
  private readDistance(slot: number): number {
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = (2 | (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + this.reverse(this.special, base - slot, bits);
    return base + this.direct(bits - 4) * 16 + this.reverse(this.align, 0, 4);
  }
  private copy(length: number, limit: number, dictStart: number): void {
    const { out } = this;
    const from = out.length - this.rep[0] - 1;
    if (from < dictStart || out.length + length > limit) throw new Damaged();
    for (let i = 0; i < length; i++) out.bytes[out.length + i] = out.bytes[from + i];
    out.length += length;
  }
  private readLiteral(dictStart: number): void {
    const { out } = this;
    const done = out.length - dictStart;
    const previous = done > 0 ? out.bytes[out.length - 1] : 0;
    const base = 0x300 * (((done & ((1 << this.lp) - 1)) << this.lc) | (previous >> (8 - this.lc)));
    let m = 1;
    if (this.state >= 7) {
      const from = out.length - this.rep[0] - 1;
      if (from < dictStart) throw new Damaged();
      let match = out.bytes[from];
      while (m < 0x100) {
        const bit = (match >> 7) & 1;
        match <<= 1;
        const b = this.bit(this.literal, base + ((1 + bit) << 8) + m);
        m = (m << 1) | b;
        if (b !== bit) break;
      }
    }
    while (m < 0x100) m = (m << 1) | this.bit(this.literal, base + m);
    out.bytes[out.length++] = m & 0xff;
    this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6;
  }
}

/** The chunks of an LZMA2 block up to its end mark. */
function lzma2(input: Input, out: Output): void {
  const lzma = new Lzma(out);
  let dictStart = -1;
  let ready = false;
  for (;;) {
    const control = input.byte();
    if (control === 0) return;
    if (control === 1 || control >= 0xe0) dictStart = out.length;
    if (dictStart < 0) throw new Damaged();
    if (control < 0x80) {
      if (control > 2) throw new Damaged();
      const size = input.u16be() + 1;
      if (input.at + size > input.end) throw new Damaged();
      out.reserve(size);
      out.bytes.set(input.bytes.subarray(input.at, input.at + size), out.length);
      out.length += size;
      input.at += size;
      continue;
    }
    const size = (control & 0x1f) * 65536 + input.u16be() + 1;
    const packed = input.u16be() + 1;
    if (control >= 0xc0) {
      lzma.setProperties(input.byte());
      ready = true;
    }
    if (!ready) throw new Damaged();
    if (control >= 0xa0) lzma.resetState();
    lzma.chunk(input, packed, size, dictStart);
  }
}
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const b of bytes) {
    crc ^= b;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (0xedb8_8320 & -(crc & 1));
  }
  return ~crc >>> 0;
}
function stream(bytes: Uint8Array, max: number): Uint8Array {
  if (bytes.length < 12) throw new Damaged(XZ_OK);
  if (MAGIC.some((m, i) => bytes[i] !== m)) throw new Damaged(XZ_FORMAT_ERROR);
  if (bytes[6] !== 0 || bytes[7] > 15) throw new Damaged(XZ_OPTIONS_ERROR);
  const check = bytes[7];
  const out = new Output(max);
  const blocks: [number, number][] = [];
  const input = new Input(bytes, 12, bytes.length);
  for (;;) {
    const start = input.at;
    const sizeByte = input.byte();
    if (sizeByte === 0) {
      index(input, start, blocks);
      break;
    }
    const headerEnd = start + (sizeByte + 1) * 4;
    const flags = input.byte();
    if ((flags & 0x3f) !== 0) throw new Damaged(); // one filter
    if ((flags & 0x40) !== 0) input.vli();
    if ((flags & 0x80) !== 0) input.vli();
    if (input.vli() !== FILTER_LZMA2 || input.vli() !== 1) throw new Damaged();
    input.at = headerEnd;
    const before = out.length;
    lzma2(input, out);
    const unpadded = input.at - start;
    while ((input.at - start) % 4 !== 0) if (input.byte() !== 0) throw new Damaged();
    if (check === 1) {
      const want = input.byte() + input.byte() * 256 + input.byte() * 65536 + input.byte() * 2 ** 24;
      if (want !== crc32(out.bytes.subarray(before, out.length))) throw new Damaged();
    } else input.at += CHECK_SIZES[check];
    blocks.push([unpadded + CHECK_SIZES[check], out.length - before]);
  }
  return out.bytes.subarray(0, out.length);
}
/** The index, which says again how long each block is, and the stream's end. */
function index(input: Input, start: number, blocks: readonly (readonly [number, number])[]): void {
  if (input.vli() !== blocks.length) throw new Damaged();
  for (const [unpadded, size] of blocks) if (input.vli() !== unpadded || input.vli() !== size) throw new Damaged();
  while ((input.at - start) % 4 !== 0) if (input.byte() !== 0) throw new Damaged();
  const u32 = () => input.byte() + input.byte() * 256 + input.byte() * 65536 + input.byte() * 2 ** 24;
  const end = input.at;
  if (u32() !== crc32(input.bytes.subarray(start, end))) throw new Damaged();
  const footer = u32();
  if (footer !== crc32(input.bytes.subarray(input.at, input.at + 6))) throw new Damaged(input.at + 6 > input.end ? XZ_OK : XZ_DATA_ERROR);
  if (u32() !== (end - start) / 4 || input.byte() !== input.bytes[6] || input.byte() !== input.bytes[7]) throw new Damaged();
  if (input.byte() !== 0x59 || input.byte() !== 0x5a) throw new Damaged();
}
/** The contents of a .xz file of at most `max` bytes, or what the decoder says. */
export function xzDecode(bytes: Uint8Array, max: number): Uint8Array | number {
  try {
    return stream(bytes, max);
  } catch (e) {
    if (e instanceof Damaged) return e.ret;
    throw e;
  }
}
/** The contents of a .xz file, or null. */
export function unxz(bytes: Uint8Array): Uint8Array | null {
  const out = xzDecode(bytes, OUTPUT_MAX);
  return typeof out === 'number' ? null : out;
}
