import { EM_RISCV, ELF_MAGIC, ELFCLASS64, ET_REL, SHT_NOBITS, SHT_SYMTAB } from '../abi/elf.ts';

// A relocatable ELF64 object as the build needs it: sections and symbols (System V gABI, "Sections" and "Symbol Table").

export interface ObjectSection {
  readonly name: string;
  readonly type: number;
  readonly size: number;
  /** Empty for NOBITS. */
  readonly data: Uint8Array;
}
export interface ObjectSymbol {
  readonly name: string;
  readonly bind: number;
  readonly type: number;
  /** Index of its section, SHN_UNDEF when it is imported. */
  readonly section: number;
  readonly value: number;
}

/** Not an object for this machine, or damaged. */
export class ObjectError extends Error {}

export class ElfObject {
  readonly sections: readonly ObjectSection[];
  readonly symbols: readonly ObjectSymbol[];

  /** @throws ObjectError */
  constructor(bytes: Uint8Array) {
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 64 || v.getUint32(0, true) !== ELF_MAGIC || bytes[4] !== ELFCLASS64)
      throw new ObjectError('not a 64-bit ELF object');
    if (v.getUint16(16, true) !== ET_REL || v.getUint16(18, true) !== EM_RISCV) throw new ObjectError('not a relocatable riscv object');
    const u64 = (at: number): number => {
      if (at + 8 > bytes.length) throw new ObjectError('cut off');
      return Number(v.getBigUint64(at, true));
    };
    const [table, count, names] = [u64(40), v.getUint16(60, true), v.getUint16(62, true)];
    if (table + count * 64 > bytes.length || names >= count) throw new ObjectError('the section headers lie outside the file');
    const header = (i: number) => {
      const at = table + i * 64;
      const type = v.getUint32(at + 4, true);
      const size = u64(at + 32);
      const from = u64(at + 24);
      if (type !== SHT_NOBITS && from + size > bytes.length) throw new ObjectError(`section ${i} lies outside the file`);
      return { at, type, size, data: type === SHT_NOBITS ? bytes.subarray(0, 0) : bytes.subarray(from, from + size) };
    };
    const sectionNames = header(names).data;
    const headers = Array.from({ length: count }, (_, i) => header(i));
    this.sections = headers.map((h) => ({
      name: cString(sectionNames, v.getUint32(h.at, true)),
      type: h.type,
      size: h.size,
      data: h.data,
    }));
    const symtab = headers.find((h) => h.type === SHT_SYMTAB);
    const symbols: ObjectSymbol[] = [];
    if (symtab !== undefined) {
      const strings = headers[v.getUint32(symtab.at + 40, true)];
      if (strings === undefined) throw new ObjectError('a symbol table without strings');
      const s = new DataView(symtab.data.buffer, symtab.data.byteOffset, symtab.data.byteLength);
      for (let at = 0; at + 24 <= symtab.size; at += 24) {
        const info = s.getUint8(at + 4);
        symbols.push({
          name: cString(strings.data, s.getUint32(at, true)),
          bind: info >> 4,
          type: info & 15,
          section: s.getUint16(at + 6, true),
          value: Number(s.getBigUint64(at + 8, true)),
        });
      }
    }
    this.symbols = symbols;
  }

  section(name: string): ObjectSection | undefined {
    return this.sections.find((s) => s.name === name);
  }
  /** Values of `key=value` strings of .modinfo. */
  modinfo(key: string): string[] {
    const text = Buffer.from(this.section('.modinfo')?.data ?? []).toString('utf8');
    return text
      .split('\0')
      .filter((e) => e.startsWith(`${key}=`))
      .map((e) => e.slice(key.length + 1));
  }
}

/** The string at `offset`, up to a NUL or the end. */
export function cString(bytes: Uint8Array, offset: number): string {
  const end = bytes.indexOf(0, offset);
  return Buffer.from(bytes.subarray(offset, end < 0 ? bytes.length : end)).toString('utf8');
}
