/** A small WebAssembly binary writer: just what the translator needs (WebAssembly core specification, chapter 5). */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const VOID = 0x40;
export type ValType = typeof I32 | typeof I64 | typeof F32 | typeof F64;

/** Opcodes by their text names (dots and slashes become underscores). */
export const Op = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  call_indirect: 0x11,
  drop: 0x1a,
  select: 0x1b,
  local_get: 0x20,
  local_set: 0x21,
  local_tee: 0x22,
  i32_load: 0x28,
  i64_load: 0x29,
  f32_load: 0x2a,
  f64_load: 0x2b,
  i32_load8_s: 0x2c,
  i32_load8_u: 0x2d,
  i32_load16_s: 0x2e,
  i32_load16_u: 0x2f,
  i64_load8_s: 0x30,
  i64_load8_u: 0x31,
  i64_load16_s: 0x32,
  i64_load16_u: 0x33,
  i64_load32_s: 0x34,
  i64_load32_u: 0x35,
  i32_store: 0x36,
  i64_store: 0x37,
  f32_store: 0x38,
  f64_store: 0x39,
  i32_store8: 0x3a,
  i32_store16: 0x3b,
  i64_store8: 0x3c,
  i64_store16: 0x3d,
  i64_store32: 0x3e,
  i32_const: 0x41,
  i64_const: 0x42,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_gt_s: 0x4a,
  i32_gt_u: 0x4b,
  i32_le_s: 0x4c,
  i32_le_u: 0x4d,
  i32_ge_s: 0x4e,
  i32_ge_u: 0x4f,
  i64_eqz: 0x50,
  i64_eq: 0x51,
  i64_ne: 0x52,
  i64_lt_s: 0x53,
  i64_lt_u: 0x54,
  i64_gt_s: 0x55,
  i64_gt_u: 0x56,
  i64_le_s: 0x57,
  i64_le_u: 0x58,
  i64_ge_s: 0x59,
  i64_ge_u: 0x5a,
  f32_eq: 0x5b,
  f32_lt: 0x5d,
  f32_le: 0x5f,
  f64_eq: 0x61,
  f64_ne: 0x62,
  f64_lt: 0x63,
  f64_gt: 0x64,
  f64_le: 0x65,
  f64_ge: 0x66,
  i32_clz: 0x67,
  i32_ctz: 0x68,
  i32_popcnt: 0x69,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_div_s: 0x6d,
  i32_div_u: 0x6e,
  i32_rem_s: 0x6f,
  i32_rem_u: 0x70,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_s: 0x75,
  i32_shr_u: 0x76,
  i32_rotl: 0x77,
  i32_rotr: 0x78,
  i64_clz: 0x79,
  i64_ctz: 0x7a,
  i64_popcnt: 0x7b,
  i64_add: 0x7c,
  i64_sub: 0x7d,
  i64_mul: 0x7e,
  i64_div_s: 0x7f,
  i64_div_u: 0x80,
  i64_rem_s: 0x81,
  i64_rem_u: 0x82,
  i64_and: 0x83,
  i64_or: 0x84,
  i64_xor: 0x85,
  i64_shl: 0x86,
  i64_shr_s: 0x87,
  i64_shr_u: 0x88,
  i64_rotl: 0x89,
  i64_rotr: 0x8a,
  f32_ne: 0x5c,
  f32_abs: 0x8b,
  f32_neg: 0x8c,
  f32_copysign: 0x98,
  f32_min: 0x96,
  f32_max: 0x97,
  f32_sqrt: 0x91,
  f32_add: 0x92,
  f32_sub: 0x93,
  f32_mul: 0x94,
  f32_div: 0x95,
  f64_abs: 0x99,
  f64_neg: 0x9a,
  f64_min: 0xa4,
  f64_copysign: 0xa6,
  f64_max: 0xa5,
  f64_sqrt: 0x9f,
  f64_add: 0xa0,
  f64_sub: 0xa1,
  f64_mul: 0xa2,
  f64_div: 0xa3,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_s: 0xac,
  i64_extend_i32_u: 0xad,
  f32_convert_i64_s: 0xb4,
  f32_convert_i64_u: 0xb5,
  f32_demote_f64: 0xb6,
  f64_convert_i32_s: 0xb7,
  f64_convert_i32_u: 0xb8,
  f64_convert_i64_s: 0xb9,
  f64_convert_i64_u: 0xba,
  f64_promote_f32: 0xbb,
  i32_reinterpret_f32: 0xbc,
  i64_reinterpret_f64: 0xbd,
  f32_reinterpret_i32: 0xbe,
  f64_reinterpret_i64: 0xbf,
  i32_extend8_s: 0xc0,
  i32_extend16_s: 0xc1,
  i64_extend8_s: 0xc2,
  i64_extend16_s: 0xc3,
  i64_extend32_s: 0xc4,
} as const;

/** Opcodes behind the 0xfc prefix. */
export const OpSat = { i64_trunc_sat_f64_s: 6, i64_trunc_sat_f64_u: 7 } as const;
/** Opcodes behind the 0xfd prefix (SIMD, relaxed SIMD). */
export const OpSimd = {
  f32x4_splat: 0x13,
  f64x2_splat: 0x14,
  f32x4_extract_lane: 0x1f,
  f64x2_extract_lane: 0x21,
  f32x4_relaxed_madd: 0x105,
  f64x2_relaxed_madd: 0x107,
} as const;

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

interface FuncType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

/** A module with one imported memory (`m`.`m`), imported functions (`m`.name), own functions, and at most one own table. */
export class ModuleBuilder {
  private types: FuncType[] = [];
  private imports: { name: string; type: number }[] = [];
  /** The encoded import section, once a module had it; modules with the same imports share it. */
  private importBytes: { bytes: Uint8Array | null } = { bytes: null };
  private readonly funcs: { type: number; body: FuncBody | null }[] = [];
  private readonly exports: { name: string; func: number }[] = [];
  private table = 0;

  /** A module that begins with the types and imports of this one. */
  withImports(): ModuleBuilder {
    const other = new ModuleBuilder();
    other.types = [...this.types];
    other.imports = this.imports;
    other.importBytes = this.importBytes;
    return other;
  }
  typeOf(params: readonly number[], results: readonly number[]): number {
    const { types } = this;
    for (let i = 0; i < types.length; i++) if (types[i].params === params && types[i].results === results) return i;
    const i = types.findIndex((t) => t.params.join() === params.join() && t.results.join() === results.join());
    if (i >= 0) return i;
    return this.types.push({ params, results }) - 1;
  }
  /** All imports come before the first `func`. */
  importFunc(name: string, params: readonly number[], results: readonly number[]): number {
    this.imports.push({ name, type: this.typeOf(params, results) });
    return this.imports.length - 1;
  }
  /** Declares a function; its body follows with `define`. */
  func(params: readonly number[], results: readonly number[]): number {
    this.funcs.push({ type: this.typeOf(params, results), body: null });
    return this.imports.length + this.funcs.length - 1;
  }
  define(func: number, body: FuncBody): void {
    this.funcs[func - this.imports.length].body = body;
  }
  exportFunc(name: string, func: number): void {
    this.exports.push({ name, func });
  }
  /** An own table of `size` functions, exported as `t`. */
  exportTable(size: number): void {
    this.table = size;
  }

  encode(memoryPages: number): Uint8Array {
    const out = new ByteWriter();
    for (const b of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]) out.byte(b);
    const section = (id: number, fill: (w: ByteWriter) => void) => {
      const w = new ByteWriter();
      fill(w);
      out.byte(id);
      out.u32(w.length);
      out.raw(w.bytes.subarray(0, w.length));
      w.release();
    };
    section(1, (w) => {
      w.u32(this.types.length);
      for (const t of this.types) {
        w.byte(0x60);
        w.u32(t.params.length);
        for (const p of t.params) w.byte(p);
        w.u32(t.results.length);
        for (const r of t.results) w.byte(r);
      }
    });
    this.importBytes.bytes ??= this.encodeImports(memoryPages);
    out.raw(this.importBytes.bytes);
    section(3, (w) => {
      w.u32(this.funcs.length);
      for (const f of this.funcs) w.u32(f.type);
    });
    if (this.table > 0) {
      section(4, (w) => {
        w.u32(1);
        w.byte(0x70);
        w.byte(0);
        w.u32(this.table);
      });
    }
    section(7, (w) => {
      w.u32(this.exports.length + (this.table > 0 ? 1 : 0));
      for (const e of this.exports) {
        w.name(e.name);
        w.byte(0);
        w.u32(e.func);
      }
      if (this.table > 0) {
        w.name('t');
        w.byte(1);
        w.u32(0);
      }
    });
    const bodies = this.funcs.map((f) => f.body as FuncBody);
    const locals = bodies.map((body) => {
      const w = new ByteWriter();
      body.declareLocals(w);
      return w.done();
    });
    if (bodies.some((body) => body.hints.length > 0)) this.branchHints(section, bodies, locals);
    section(10, (w) => {
      w.u32(bodies.length);
      bodies.forEach((body, i) => {
        w.u32(locals[i].length + body.length + 1);
        w.raw(locals[i]);
        w.raw(body.bytes.subarray(0, body.length));
        w.byte(Op.end);
        body.release();
      });
    });
    return out.done();
  }

  private encodeImports(memoryPages: number): Uint8Array {
    const w = new ByteWriter();
    w.u32(this.imports.length + 1);
    for (const i of this.imports) {
      w.name('m');
      w.name(i.name);
      w.byte(0);
      w.u32(i.type);
    }
    w.name('m');
    w.name('m');
    w.byte(2);
    w.byte(1);
    w.u32(memoryPages);
    w.u32(memoryPages);
    const out = new ByteWriter();
    out.byte(2);
    out.u32(w.length);
    out.raw(w.bytes.subarray(0, w.length));
    w.release();
    return out.done();
  }

  // Branch hinting proposal: offsets count from the start of the locals declaration.
  private branchHints(
    section: (id: number, fill: (w: ByteWriter) => void) => void,
    bodies: readonly FuncBody[],
    locals: readonly Uint8Array[],
  ): void {
    section(0, (w) => {
      w.name('metadata.code.branch_hint');
      const hinted = bodies.map((body, i) => ({ hints: body.hints, i })).filter((h) => h.hints.length > 0);
      w.u32(hinted.length);
      for (const { hints, i } of hinted) {
        w.u32(this.imports.length + i);
        w.u32(hints.length);
        for (const h of hints) {
          w.u32(h.at + locals[i].length);
          w.u32(1);
          w.byte(h.likely);
        }
      }
    });
  }
}
