import { ByteWriter, type FuncBody } from './encoder.ts';
import { Op } from './opcodes.ts';

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
