// Inflate (RFC 1951) and the gzip frame around it (RFC 1952).

const END_OF_BLOCK = 256;
const MAX_BITS = 15;
const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
  24577,
];
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A canonical Huffman code: how many codes have each length, and the symbols in order of their codes. */
interface Huffman {
  readonly count: Uint16Array;
  readonly symbols: Uint16Array;
}
function huffman(lengths: ArrayLike<number>): Huffman | null {
  const count = new Uint16Array(MAX_BITS + 1);
  for (let i = 0; i < lengths.length; i++) count[lengths[i]]++;
  count[0] = 0;
  const offsets = new Uint16Array(MAX_BITS + 2);
  let left = 1;
  for (let bits = 1; bits <= MAX_BITS; bits++) {
    left = left * 2 - count[bits];
    if (left < 0) return null;
    offsets[bits + 1] = offsets[bits] + count[bits];
  }
  const symbols = new Uint16Array(lengths.length);
  for (let i = 0; i < lengths.length; i++) if (lengths[i] !== 0) symbols[offsets[lengths[i]]++] = i;
  return { count, symbols };
}
const FIXED_LENGTHS = Uint8Array.from({ length: 288 }, (_x, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8));

class Inflater {
  private readonly data: Uint8Array;
  pos: number;
  private bitBuffer = 0;
  private bitCount = 0;
  private out: Uint8Array;
  private length = 0;
  private readonly limit: number;
  private broken = false;

  constructor(data: Uint8Array, pos: number, limit: number) {
    this.data = data;
    this.pos = pos;
    this.limit = limit;
    this.out = new Uint8Array(Math.min(limit, Math.max(65536, (data.length - pos) * 4)));
  }
  private bits(n: number): number {
    while (this.bitCount < n) {
      if (this.pos >= this.data.length) {
        this.broken = true;
        return 0;
      }
      this.bitBuffer |= this.data[this.pos++] << this.bitCount;
      this.bitCount += 8;
    }
    const value = this.bitBuffer & ((1 << n) - 1);
    this.bitBuffer >>>= n;
    this.bitCount -= n;
    return value;
  }
  private symbol(h: Huffman): number {
    let code = 0;
    let first = 0;
    let index = 0;
    for (let bits = 1; bits <= MAX_BITS; bits++) {
      code |= this.bits(1);
      if (this.broken) return -1;
      const n = h.count[bits];
      if (code - n < first) return h.symbols[index + code - first];
      index += n;
      first = (first + n) << 1;
      code <<= 1;
    }
    return -1;
  }
  private room(n: number): boolean {
    const need = this.length + n;
    if (need > this.limit) return false;
    if (need > this.out.length) {
      const bigger = new Uint8Array(Math.min(this.limit, Math.max(need, this.out.length * 2)));
      bigger.set(this.out.subarray(0, this.length));
      this.out = bigger;
    }
    return true;
  }
  private stored(): boolean {
    this.bitBuffer = this.bitCount = 0;
    const { data, pos } = this;
    if (pos + 4 > data.length) return false;
    const n = data[pos] | (data[pos + 1] << 8);
    if (n !== (~(data[pos + 2] | (data[pos + 3] << 8)) & 0xffff) || pos + 4 + n > data.length || !this.room(n)) return false;
    this.out.set(data.subarray(pos + 4, pos + 4 + n), this.length);
    this.length += n;
    this.pos = pos + 4 + n;
    return true;
  }
  private coded(literals: Huffman, distances: Huffman): boolean {
    for (;;) {
      const s = this.symbol(literals);
      if (s < 0) return false;
      if (s === END_OF_BLOCK) return true;
      if (s < END_OF_BLOCK) {
        if (!this.room(1)) return false;
        this.out[this.length++] = s;
        continue;
      }
      const l = s - 257;
      if (l >= LENGTH_BASE.length) return false;
      const n = LENGTH_BASE[l] + this.bits(LENGTH_EXTRA[l]);
      const d = this.symbol(distances);
      if (d < 0 || d >= DISTANCE_BASE.length) return false;
      const distance = DISTANCE_BASE[d] + this.bits(d < 4 ? 0 : (d >> 1) - 1);
      if (this.broken || distance > this.length || !this.room(n)) return false;
      const { out } = this;
      for (let i = 0; i < n; i++, this.length++) out[this.length] = out[this.length - distance];
    }
  }
  private dynamic(): boolean {
    const literalCount = this.bits(5) + 257;
    const distanceCount = this.bits(5) + 1;
    const codeCount = this.bits(4) + 4;
    if (literalCount > 286 || distanceCount > 30) return false;
    const codeLengths = new Uint8Array(19);
    for (let i = 0; i < codeCount; i++) codeLengths[CODE_LENGTH_ORDER[i]] = this.bits(3);
    const code = huffman(codeLengths);
    if (code === null) return false;
    const lengths = new Uint8Array(literalCount + distanceCount);
    for (let i = 0; i < lengths.length; ) {
      const s = this.symbol(code);
      if (s < 0) return false;
      if (s < 16) {
        lengths[i++] = s;
        continue;
      }
      if (s === 16 && i === 0) return false;
      const value = s === 16 ? lengths[i - 1] : 0;
      let n = s === 16 ? 3 + this.bits(2) : s === 17 ? 3 + this.bits(3) : 11 + this.bits(7);
      if (i + n > lengths.length) return false;
      while (n-- > 0) lengths[i++] = value;
    }
    if (lengths[END_OF_BLOCK] === 0) return false;
    const literals = huffman(lengths.subarray(0, literalCount));
    const distances = huffman(lengths.subarray(literalCount));
    return literals !== null && distances !== null && this.coded(literals, distances);
  }
  run(): Uint8Array | null {
    const fixed = huffman(FIXED_LENGTHS) as Huffman;
    const fixedDistances = huffman(new Uint8Array(30).fill(5)) as Huffman;
    for (;;) {
      const last = this.bits(1);
      const type = this.bits(2);
      if (this.broken) return null;
      const ok = type === 0 ? this.stored() : type === 1 ? this.coded(fixed, fixedDistances) : type === 2 ? this.dynamic() : false;
      if (!ok || this.broken) return null;
      if (last === 1) break;
    }
    return this.out.subarray(0, this.length);
  }
}

export function isGzip(data: Uint8Array, at: number): boolean {
  return data[at] === 0x1f && data[at + 1] === 0x8b && data[at + 2] === 8;
}
const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;
/** One gzip member at `at`: its contents (at most `limit` bytes) and where it ends; null when it is damaged. */
export function gunzip(data: Uint8Array, at: number, limit: number): { data: Uint8Array; end: number } | null {
  const flags = data[at + 3];
  let pos = at + 10;
  if ((flags & FEXTRA) !== 0) pos += 2 + (data[pos] | (data[pos + 1] << 8));
  for (const flag of [FNAME, FCOMMENT]) {
    if ((flags & flag) === 0) continue;
    while (pos < data.length && data[pos] !== 0) pos++;
    pos++;
  }
  if ((flags & FHCRC) !== 0) pos += 2;
  if (!(pos < data.length)) return null;
  const inflater = new Inflater(data, pos, limit);
  const out = inflater.run();
  const end = inflater.pos;
  if (out === null || end + 8 > data.length) return null;
  const v = new DataView(data.buffer, data.byteOffset + end, 8);
  return v.getUint32(4, true) === out.length >>> 0 && v.getUint32(0, true) === crc32(out) ? { data: out, end: end + 8 } : null;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_x, i) => {
  let c = i;
  for (let j = 0; j < 8; j++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c >>> 0;
});
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const b of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ b) & 255];
  return ~crc >>> 0;
}
