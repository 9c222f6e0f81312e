// BPF Type Format, as in the .BTF section of a kernel's vmlinux (Documentation/bpf/btf.rst). Only what struct layouts need.

const KIND_INT = 1;
const KIND_ARRAY = 3;
const KIND_STRUCT = 4;
const KIND_UNION = 5;
const KIND_ENUM = 6;
const KIND_FUNC_PROTO = 13;
const KIND_VAR = 14;
const KIND_DATASEC = 15;
const KIND_DECL_TAG = 17;
const KIND_ENUM64 = 19;

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  /** From the start of the struct, in bits. */
  readonly bitOffset: number;
  readonly bitSize: number;
}
interface BtfType {
  readonly name: string;
  readonly kind: number;
  /** Size in bytes, or the type referred to. */
  readonly sizeOrType: number;
  readonly members: readonly BtfMember[];
  readonly array: { type: number; count: number } | null;
}

/** A malformed .BTF section. */
export class BtfError extends Error {}

/** The types of a .BTF section. @throws BtfError on anything malformed. */
export class Btf {
  private readonly types: BtfType[] = [{ name: 'void', kind: 0, sizeOrType: 0, members: [], array: null }];
  private readonly structs = new Map<string, number>();

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < 24 || view.getUint16(0, true) !== 0xeb9f) throw new BtfError('no BTF header');
    const header = view.getUint32(4, true);
    const typeOff = header + view.getUint32(8, true);
    const typeEnd = typeOff + view.getUint32(12, true);
    const strOff = header + view.getUint32(16, true);
    const strEnd = strOff + view.getUint32(20, true);
    if (typeEnd > bytes.length || strEnd > bytes.length) throw new BtfError('BTF sections lie outside the data');
    const nameAt = (offset: number): string => {
      let end = strOff + offset;
      if (end >= strEnd) throw new BtfError(`string ${offset} lies outside the string section`);
      while (end < strEnd && bytes[end] !== 0) end++;
      return String.fromCharCode(...bytes.subarray(strOff + offset, end));
    };
    let at = typeOff;
    const u32 = (offset: number): number => {
      if (offset + 4 > typeEnd) throw new BtfError('the type section is cut off');
      return view.getUint32(offset, true);
    };
    while (at < typeEnd) {
      const info = u32(at + 4);
      const kind = (info >>> 24) & 31;
      const vlen = info & 0xffff;
      const bitfields = info >>> 31 === 1;
      const name = nameAt(u32(at));
      const sizeOrType = u32(at + 8);
      at += 12;
      const members: BtfMember[] = [];
      let array: BtfType['array'] = null;
      switch (kind) {
        case KIND_INT:
        case KIND_VAR:
        case KIND_DECL_TAG:
          at += 4;
          break;
        case KIND_ARRAY:
          array = { type: u32(at), count: u32(at + 8) };
          at += 12;
          break;
        case KIND_STRUCT:
        case KIND_UNION:
          for (let i = 0; i < vlen; i++, at += 12) {
            const offset = u32(at + 8);
            members.push({
              name: nameAt(u32(at)),
              type: u32(at + 4),
              bitOffset: bitfields ? offset & 0xffffff : offset,
              bitSize: bitfields ? offset >>> 24 : 0,
            });
          }
          break;
        case KIND_ENUM:
        case KIND_FUNC_PROTO:
          at += vlen * 8;
          break;
        case KIND_DATASEC:
        case KIND_ENUM64:
          at += vlen * 12;
          break;
        default:
          if (kind > KIND_ENUM64) throw new BtfError(`unknown BTF kind ${kind}`);
      }
      if (at > typeEnd) throw new BtfError('the type section is cut off');
      const id = this.types.push({ name, kind, sizeOrType, members, array }) - 1;
      if (kind === KIND_STRUCT && name !== '' && !this.structs.has(name)) this.structs.set(name, id);
    }
  }

  get count(): number {
    return this.types.length;
  }

  private type(id: number): BtfType {
    const t = this.types[id];
    if (t === undefined) throw new BtfError(`type ${id} does not exist`);
    return t;
  }

  /** Through typedefs and qualifiers. */
  private resolve(id: number): BtfType {
    let t = this.type(id);
    for (let hops = 0; [8, 9, 10, 11, 18].includes(t.kind); hops++) {
      if (hops > 32) throw new BtfError('a typedef chain does not end');
      t = this.type(t.sizeOrType);
    }
    return t;
  }

  /** Size in bytes and members with byte offsets, those of anonymous and embedded structs flattened as `outer_inner` up to `depth` levels. Null when unknown. */
  layout(name: string, depth = 2): { size: number; members: Map<string, number> } | null {
    const id = this.structs.get(name);
    if (id === undefined) return null;
    const members = new Map<string, number>();
    const visit = (t: BtfType, base: number, prefix: string, level: number): void => {
      for (const m of t.members) {
        const inner = this.resolve(m.type);
        const nested = inner.kind === KIND_STRUCT || inner.kind === KIND_UNION;
        if (m.name === '') {
          if (nested) visit(inner, base + m.bitOffset / 8, prefix, level);
          continue;
        }
        const full = prefix + m.name;
        if (!members.has(full)) members.set(full, Math.floor(base + m.bitOffset / 8));
        if (nested && level > 0) visit(inner, base + m.bitOffset / 8, `${full}_`, level - 1);
      }
    };
    const t = this.type(id);
    visit(t, 0, '', depth);
    return { size: t.sizeOrType, members };
  }
}
