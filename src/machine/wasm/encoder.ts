import { Op, type ValType, VOID } from './opcodes.ts';

/** A small WebAssembly binary writer: just what the translator needs (WebAssembly core specification, chapter 5). */

/** Buffers of writers that are done: making one is dear for the few bytes of most functions. */
const spare: Uint8Array[] = [];
const NO_BYTES = new Uint8Array(0);
const MAX_SPARE = 64;
/** Bytes of an opcode and one immediate of 42 bits. */
const MAX_OP = 7;

/** LEB128 of `width` bytes of an integer: signed, and unsigned if it is not negative and leaves the last of its bits 0. */
export function putWide(bytes: Uint8Array, at: number, v: number, width: number): void {
  const last = at + width - 1;
  let n = v;
  let to = at;
  for (; n !== (n | 0); to++) {
    bytes[to] = (n & 0x7f) | 0x80;
    n = Math.floor(n / 128);
  }
  for (; to < last; to++) {
    bytes[to] = (n & 0x7f) | 0x80;
    n >>= 7;
  }
  bytes[to] = n & 0x7f;
}

/** Growable byte writer with LEB128. */
export class ByteWriter {
  bytes = spare.pop() ?? new Uint8Array(4096);
  length = 0;

  /** Its bytes have been copied elsewhere: nothing more will be written or read. */
  release(): void {
    if (spare.length < MAX_SPARE) spare.push(this.bytes);
    this.bytes = NO_BYTES;
    this.length = 0;
  }

  protected grow(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
    bigger.set(this.bytes.subarray(0, this.length));
    this.bytes = bigger;
  }
  byte(b: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = b;
  }
  raw(b: Uint8Array): void {
    if (this.length + b.length > this.bytes.length) this.grow(b.length);
    this.bytes.set(b, this.length);
    this.length += b.length;
  }
  u32(v: number): void {
    let at = this.length;
    if (at + MAX_OP > this.bytes.length) this.grow(MAX_OP);
    const { bytes } = this;
    let n = v >>> 0;
    while (n >= 0x80) {
      bytes[at++] = (n & 0x7f) | 0x80;
      n >>>= 7;
    }
    bytes[at] = n;
    this.length = at + 1;
  }
  /** A signed LEB128. */
  s64Big(v: bigint): void {
    let n = BigInt.asIntN(64, v);
    for (;;) {
      const b = Number(n & 0x7fn);
      n >>= 7n;
      if ((n === 0n && (b & 0x40) === 0) || (n === -1n && (b & 0x40) !== 0)) {
        this.byte(b);
        return;
      }
      this.byte(b | 0x80);
    }
  }
  name(s: string): void {
    this.u32(s.length);
    for (let i = 0; i < s.length; i++) this.byte(s.charCodeAt(i));
  }
  done(): Uint8Array {
    const bytes = this.bytes.slice(0, this.length);
    this.release();
    return bytes;
  }
}

/** The body of one function: instructions with their immediates, and locals that are declared as they are needed. */
export class FuncBody extends ByteWriter {
  private readonly locals: ValType[] = [];
  readonly params: number;
  /** Open blocks; the label of a block is the depth just after it was opened. */
  depth = 0;
  /** Offsets (from the start of the body) of branches, with their likely direction, for metadata.code.branch_hint. */
  readonly hints: { at: number; likely: 0 | 1 }[] = [];

  constructor(params: number) {
    super();
    this.params = params;
  }
  /** An empty body with the same locals, for code that goes before this one's. */
  withoutCode(): FuncBody {
    const other = new FuncBody(this.params);
    other.locals.push(...this.locals);
    return other;
  }
  newLocal(type: ValType): number {
    this.locals.push(type);
    return this.params + this.locals.length - 1;
  }
  /** Parameters and locals so far. */
  get localCount(): number {
    return this.params + this.locals.length;
  }
  op(code: number): this {
    const at = this.length;
    if (at === this.bytes.length) this.grow(1);
    this.bytes[at] = code;
    this.length = at + 1;
    return this;
  }
  sat(code: number): this {
    this.byte(0xfc);
    this.u32(code);
    return this;
  }
  simd(code: number, lane?: number): this {
    this.byte(0xfd);
    this.u32(code);
    if (lane !== undefined) this.byte(lane);
    return this;
  }
  f64(v: number): this {
    this.byte(0x44);
    const at = new DataView(new ArrayBuffer(8));
    at.setFloat64(0, v, true);
    this.raw(new Uint8Array(at.buffer));
    return this;
  }
  /** An opcode and an unsigned immediate. */
  private withIndex(code: number, index: number): this {
    const at = this.length;
    if (at + MAX_OP > this.bytes.length) this.grow(MAX_OP);
    const { bytes } = this;
    bytes[at] = code;
    let end = at + 1;
    let n = index;
    while (n >= 0x80) {
      bytes[end++] = (n & 0x7f) | 0x80;
      n >>>= 7;
    }
    bytes[end] = n;
    this.length = end + 1;
    return this;
  }
  /** An opcode and a signed immediate of at most 32 bits. */
  private withSigned(code: number, v: number): this {
    const at = this.length;
    if (at + MAX_OP > this.bytes.length) this.grow(MAX_OP);
    const { bytes } = this;
    bytes[at] = code;
    let end = at + 1;
    let n = v | 0;
    while (n < -64 || n >= 64) {
      bytes[end++] = (n & 0x7f) | 0x80;
      n >>= 7;
    }
    bytes[end] = n & 0x7f;
    this.length = end + 1;
    return this;
  }
  get(local: number): this {
    return this.withIndex(Op.local_get, local);
  }
  set(local: number): this {
    return this.withIndex(Op.local_set, local);
  }
  tee(local: number): this {
    return this.withIndex(Op.local_tee, local);
  }
  i32(v: number): this {
    return this.withSigned(Op.i32_const, v);
  }
  i64(v: number): this {
    if (v >= -0x8000_0000 && v <= 0x7fff_ffff) return this.withSigned(Op.i64_const, v);
    return this.i64Big(BigInt(v));
  }
  /** i32.const or i64.const of a signed number, its LEB128 made `width` bytes long. */
  constant(code: number, v: number, width: number): this {
    const at = this.length;
    if (at + MAX_OP > this.bytes.length) this.grow(MAX_OP);
    this.bytes[at] = code;
    putWide(this.bytes, at + 1, v, width);
    this.length = at + 1 + width;
    return this;
  }
  i64Big(v: bigint): this {
    this.byte(Op.i64_const);
    this.s64Big(v);
    return this;
  }
  /** A load or store: `align` is the log2 hint. */
  mem(code: number, offset: number, align = 0): this {
    this.op(code);
    return this.withIndex(align, offset);
  }
  /** A load or store, its offset's LEB128 made `width` bytes long. */
  memWide(code: number, offset: number, width: number): this {
    return this.op(code).constant(0, offset, width);
  }
  /** Appends finished code; `hints` are offsets of its branches that are rarely taken. Returns where it begins. */
  copyOf(code: Uint8Array, hints: readonly number[]): number {
    const at = this.length;
    this.raw(code);
    for (let i = 0; i < hints.length; i++) this.hints.push({ at: at + hints[i], likely: 0 });
    return at;
  }
  call(func: number): this {
    return this.withIndex(Op.call, func);
  }
  callIndirect(type: number): this {
    this.byte(Op.call_indirect);
    this.u32(type);
    this.u32(0);
    return this;
  }
  block(type: number = VOID): this {
    this.depth++;
    return this.withIndex(Op.block, type);
  }
  loop(type: number = VOID): this {
    this.depth++;
    return this.withIndex(Op.loop, type);
  }
  if(type: number = VOID): this {
    this.depth++;
    return this.withIndex(Op.if, type);
  }
  /** An `if` that is rarely taken. */
  unlikelyIf(type: number = VOID): this {
    this.hints.push({ at: this.length, likely: 0 });
    return this.if(type);
  }
  else(): this {
    return this.op(Op.else);
  }
  end(): this {
    this.depth--;
    return this.op(Op.end);
  }
  br(label: number): this {
    return this.withIndex(Op.br, this.depth - label);
  }
  brIf(label: number): this {
    return this.withIndex(Op.br_if, this.depth - label);
  }
  likelyBrIf(label: number): this {
    this.hints.push({ at: this.length, likely: 1 });
    return this.brIf(label);
  }
  unlikelyBrIf(label: number): this {
    this.hints.push({ at: this.length, likely: 0 });
    return this.brIf(label);
  }
  brTable(labels: readonly number[], otherwise: number): this {
    this.byte(Op.br_table);
    this.u32(labels.length);
    for (const l of labels) this.u32(this.depth - l);
    this.u32(this.depth - otherwise);
    return this;
  }
  /** Appends the code (not the locals) of `other`, which was written with the same locals and no open block. */
  append(other: FuncBody): void {
    for (const h of other.hints) this.hints.push({ at: h.at + this.length, likely: h.likely });
    this.raw(other.bytes.subarray(0, other.length));
    other.release();
  }
  /** Writes the locals declaration; the code follows it in the code section. */
  declareLocals(w: ByteWriter): void {
    const { locals } = this;
    let runs = 0;
    for (let i = 0; i < locals.length; i++) if (i === 0 || locals[i] !== locals[i - 1]) runs++;
    w.u32(runs);
    for (let i = 0; i < locals.length; ) {
      let end = i;
      while (end < locals.length && locals[end] === locals[i]) end++;
      w.u32(end - i);
      w.byte(locals[i]);
      i = end;
    }
  }
}
