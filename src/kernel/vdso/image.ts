import * as ELF from '../../abi/elf.ts';
import { LINUX_VERSION_CODE } from '../../abi/kernel_release.ts';
import { assemble } from '../lib/assembler.ts';
import { ByteWriter } from './byte_writer.ts';
import { VDSO_CONSTANTS, VDSO_FUNCTIONS, VDSO_SOURCE } from './code.ts';
import { ehFrame, ehFrameHdr, type UnwindEntry } from './eh_frame.ts';

// The vDSO as an ELF image: the sections, symbols and versions of Linux's (arch/riscv/kernel/vdso/vdso.lds.S), so that dynamic linkers, debuggers and
// programs that look for themselves (getauxval(AT_SYSINFO_EHDR)) find there what they know.

const SONAME = 'linux-vdso.so.1';
const VERSION = 'LINUX_4.15';
/** Pages of data that lie before the image in every address space (VVAR_NR_PAGES). */
export const VVAR_PAGES = 2;
const PAGE_SIZE = 4096;

export interface VdsoImage {
  /** At most a page. */
  readonly bytes: Uint8Array;
  /** Offset of each function. */
  readonly symbols: ReadonlyMap<string, number>;
}

interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly entsize?: number;
  /** Names of the sections that sh_link and a first-global sh_info mean. */
  readonly link?: string;
  readonly info?: number;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();
const align = (n: number, to: number) => Math.ceil(n / to) * to;

/** A string table, and where each string lies in it. */
function stringTable(strings: readonly string[]): { bytes: Uint8Array; at: ReadonlyMap<string, number> } {
  const at = new Map<string, number>([['', 0]]);
  let text = '\0';
  for (const s of strings) {
    if (at.has(s)) continue;
    at.set(s, text.length);
    text += `${s}\0`;
  }
  return { bytes: encoder.encode(text), at };
}
/** The hash functions of DT_HASH and version definitions (System V gABI, "Hash Table"), and of DT_GNU_HASH. */
function elfHash(name: string): number {
  let h = 0;
  for (const c of encoder.encode(name)) {
    h = ((h << 4) + c) >>> 0;
    const g = h & 0xf0000000;
    h = (h ^ (g >>> 24)) & ~g;
  }
  return h >>> 0;
}
function gnuHash(name: string): number {
  let h = 5381;
  for (const c of encoder.encode(name)) h = (Math.imul(h, 33) + c) >>> 0;
  return h;
}

/** One bucket is enough for eight symbols. */
function hashSection(count: number): Uint8Array {
  const w = new ByteWriter().u32(1, count, count > 1 ? 1 : 0, 0);
  for (let i = 1; i < count; i++) w.u32(i + 1 < count ? i + 1 : 0);
  return w.bytes;
}
/** One bucket; the Bloom filter has one word of 64 bits. */
function gnuHashSection(names: readonly string[]): Uint8Array {
  const BLOOM_SHIFT = 6;
  let low = 0;
  let high = 0;
  for (const h of names.map(gnuHash)) {
    for (const bit of [h % 64, (h >>> BLOOM_SHIFT) % 64]) {
      if (bit < 32) low |= 1 << bit;
      else high |= 1 << (bit - 32);
    }
  }
  const w = new ByteWriter().u32(1, 1, 1, BLOOM_SHIFT, low, high, 1);
  names.forEach((name, i) => {
    w.u32((gnuHash(name) & ~1) | (i === names.length - 1 ? 1 : 0));
  });
  return w.bytes;
}
/** Elf64_Verdef with one name each: the object itself, and the version. */
function versionDefinitions(strings: ReadonlyMap<string, number>): Uint8Array {
  const w = new ByteWriter();
  const define = (name: string, index: number, next: number) =>
    w.u16(1, index === 1 ? ELF.VER_FLG_BASE : 0, index, 1).u32(elfHash(name), 20, next, strings.get(name) ?? 0, 0);
  define(SONAME, 1, 28);
  define(VERSION, 2, 0);
  return w.bytes;
}
/** What the image was made for: LINUX_VERSION_CODE (arch/riscv/kernel/vdso/note.S). */
function note(): Uint8Array {
  const name = encoder.encode('Linux\0\0\0');
  return new ByteWriter()
    .u32(6, 4, 0)
    .u8(...name)
    .u32(LINUX_VERSION_CODE).bytes;
}

/** The sections from .hash to .text for a layout in which they lie at `at` (which a first pass does not know yet). */
function sections(at: ReadonlyMap<string, number>): { list: Section[]; symbols: ReadonlyMap<string, number> } {
  const place = (name: string) => at.get(name) ?? 0;
  const code = assemble(VDSO_SOURCE, place('.text'), { ...VDSO_CONSTANTS, vvar: -VVAR_PAGES * PAGE_SIZE });
  const end = place('.text') + code.words.length * 4;
  const functions: UnwindEntry[] = VDSO_FUNCTIONS.map((name, i) => {
    const start = code.labels.get(name) ?? 0;
    return { start, size: (code.labels.get(VDSO_FUNCTIONS[i + 1] ?? '') ?? end) - start, signal: i === 0 };
  });
  const strings = stringTable([SONAME, ...VDSO_FUNCTIONS, VERSION]);
  const names = [...VDSO_FUNCTIONS, VERSION];
  const sectionIndex = ORDER.indexOf('.text') + 1;
  const symbols = new ByteWriter().u64(0, 0, 0);
  VDSO_FUNCTIONS.forEach((name, i) => {
    symbols
      .u32(strings.at.get(name) ?? 0)
      .u8((ELF.STB_GLOBAL << 4) | ELF.STT_FUNC, 0)
      .u16(sectionIndex);
    symbols.u64(functions[i].start, functions[i].size);
  });
  symbols
    .u32(strings.at.get(VERSION) ?? 0)
    .u8((ELF.STB_GLOBAL << 4) | ELF.STT_OBJECT, 0)
    .u16(ELF.SHN_ABS)
    .u64(0, 0);
  const dynamic = new ByteWriter().u64(
    ...[ELF.DT_SONAME, strings.at.get(SONAME) ?? 0, ELF.DT_HASH, place('.hash'), ELF.DT_GNU_HASH, place('.gnu.hash')],
    ...[
      ELF.DT_STRTAB,
      place('.dynstr'),
      ELF.DT_SYMTAB,
      place('.dynsym'),
      ELF.DT_STRSZ,
      strings.bytes.length,
      ELF.DT_SYMENT,
      ELF.Sym.sizeof,
    ],
    ...[ELF.DT_VERDEF, place('.gnu.version_d'), ELF.DT_VERDEFNUM, 2, ELF.DT_VERSYM, place('.gnu.version'), ELF.DT_NULL, 0],
  );
  const frame = ehFrame(functions, place('.eh_frame'));
  const A = ELF.SHF_ALLOC;
  const dyn = { type: ELF.SHT_DYNSYM, flags: A, align: 8, entsize: ELF.Sym.sizeof, link: '.dynstr', info: 1 };
  const list: Section[] = [
    { name: '.hash', type: ELF.SHT_HASH, flags: A, align: 8, entsize: 4, link: '.dynsym', bytes: hashSection(names.length + 1) },
    { name: '.gnu.hash', type: ELF.SHT_GNU_HASH, flags: A, align: 8, link: '.dynsym', bytes: gnuHashSection(names) },
    { name: '.dynsym', ...dyn, bytes: symbols.bytes },
    { name: '.dynstr', type: ELF.SHT_STRTAB, flags: A, align: 1, bytes: strings.bytes },
    {
      ...{ name: '.gnu.version', type: ELF.SHT_GNU_VERSYM, flags: A, align: 2, entsize: 2, link: '.dynsym' },
      bytes: new ByteWriter().u16(0, ...names.map(() => 2)).bytes,
    },
    {
      ...{ name: '.gnu.version_d', type: ELF.SHT_GNU_VERDEF, flags: A, align: 8, link: '.dynstr', info: 2 },
      bytes: versionDefinitions(strings.at),
    },
    { name: '.dynamic', type: ELF.SHT_DYNAMIC, flags: A | ELF.SHF_WRITE, align: 8, entsize: 16, link: '.dynstr', bytes: dynamic.bytes },
    { name: '.note', type: ELF.SHT_NOTE, flags: A, align: 4, bytes: note() },
    {
      ...{ name: '.eh_frame_hdr', type: ELF.SHT_PROGBITS, flags: A, align: 4 },
      bytes: ehFrameHdr(functions, frame.entries, place('.eh_frame'), place('.eh_frame_hdr')),
    },
    { name: '.eh_frame', type: ELF.SHT_PROGBITS, flags: A, align: 8, bytes: frame.bytes },
    { name: '.text', type: ELF.SHT_PROGBITS, flags: A | ELF.SHF_EXECINSTR, align: 4, bytes: new ByteWriter().u32(...code.words).bytes },
  ];
  return { list, symbols: new Map(VDSO_FUNCTIONS.map((name, i) => [name, functions[i].start])) };
}
const ORDER = [
  '.hash',
  '.gnu.hash',
  '.dynsym',
  '.dynstr',
  '.gnu.version',
  '.gnu.version_d',
  '.dynamic',
  '.note',
  '.eh_frame_hdr',
  '.eh_frame',
  '.text',
];
const SEGMENTS = 4;

let made: VdsoImage | null = null;
/** The image, the same in every system. */
export function vdsoImage(): VdsoImage {
  made ??= build();
  return made;
}
function build(): VdsoImage {
  const at = new Map<string, number>();
  let offset = ELF.Ehdr.sizeof + SEGMENTS * ELF.Phdr.sizeof;
  // Sizes do not depend on places.
  for (const s of sections(at).list) {
    offset = align(offset, s.align);
    at.set(s.name, offset);
    offset += s.bytes.length;
  }
  const loaded = offset;
  const { list, symbols } = sections(at);
  const names = stringTable([...ORDER, '.shstrtab']);
  const headers = align(loaded + names.bytes.length, 8);
  const out = new Uint8Array(headers + (list.length + 2) * ELF.Shdr.sizeof);
  const segment = (type: number, flags: number, name: string, alignment: number) => {
    const size = list.find((s) => s.name === name)?.bytes.length ?? 0;
    const start = at.get(name) ?? 0;
    return new ByteWriter().u32(type, flags).u64(start, start, start, size, size, alignment).bytes;
  };
  const header = new ByteWriter()
    .u32(ELF.ELF_MAGIC)
    .u8(ELF.ELFCLASS64, ELF.ELFDATA2LSB, 1, 0)
    .u64(0)
    .u16(ELF.ET_DYN, ELF.EM_RISCV)
    .u32(1)
    .u64(0, ELF.Ehdr.sizeof, headers)
    .u32(0)
    .u16(ELF.Ehdr.sizeof, ELF.Phdr.sizeof, SEGMENTS, ELF.Shdr.sizeof, list.length + 2, list.length + 1).bytes;
  out.set(header, 0);
  const segments = [
    new ByteWriter().u32(ELF.PT_LOAD, ELF.PF_R | ELF.PF_X).u64(0, 0, 0, loaded, loaded, PAGE_SIZE).bytes,
    segment(ELF.PT_DYNAMIC, ELF.PF_R, '.dynamic', 8),
    segment(ELF.PT_NOTE, ELF.PF_R, '.note', 4),
    segment(ELF.PT_GNU_EH_FRAME, ELF.PF_R, '.eh_frame_hdr', 4),
  ];
  segments.forEach((s, i) => {
    out.set(s, ELF.Ehdr.sizeof + i * ELF.Phdr.sizeof);
  });
  const indexOf = (name: string | undefined) => (name === undefined ? 0 : ORDER.indexOf(name) + 1);
  list.forEach((s, i) => {
    const start = at.get(s.name) ?? 0;
    out.set(s.bytes, start);
    const row = new ByteWriter()
      .u32(names.at.get(s.name) ?? 0, s.type)
      .u64(s.flags, start, start, s.bytes.length)
      .u32(indexOf(s.link), s.info ?? 0)
      .u64(s.align, s.entsize ?? 0);
    out.set(row.bytes, headers + (i + 1) * ELF.Shdr.sizeof);
  });
  out.set(names.bytes, loaded);
  const last = new ByteWriter()
    .u32(names.at.get('.shstrtab') ?? 0, ELF.SHT_STRTAB)
    .u64(0, 0, loaded, names.bytes.length)
    .u32(0, 0)
    .u64(1, 0);
  out.set(last.bytes, headers + (list.length + 1) * ELF.Shdr.sizeof);
  if (out.length > PAGE_SIZE) throw new Error('the vDSO has outgrown its page');
  return { bytes: out, symbols };
}
