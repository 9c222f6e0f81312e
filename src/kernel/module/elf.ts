import { ENOEXEC } from '../../abi/errno.ts';
import * as ELF from '../../abi/elf.ts';
import { module as MODULE } from '../../abi/layout/structs.ts';

// The file of a module as the loader sees it: checked so that nothing after can leave it (kernel/module/main.c, elf_validity_check).

export interface Section {
  readonly name: string;
  readonly type: number;
  flags: number;
  /** Where it is in memory; 0 = not loaded. */
  addr: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly align: number;
}
export interface ElfSymbol {
  readonly name: string;
  readonly info: number;
  readonly other: number;
  readonly shndx: number;
  /** Section offset at first, an address once resolved. */
  value: number;
  readonly size: number;
  /** Offset of the name in the string table. */
  readonly nameOffset: number;
}
/** load_info. */
export interface ModuleElf {
  readonly image: Uint8Array;
  readonly view: DataView;
  readonly sections: Section[];
  readonly symbols: ElfSymbol[];
  readonly symIndex: number;
  readonly strIndex: number;
  readonly modIndex: number;
  /** Sections of versions and of per-CPU data; 0 = none. */
  versIndex: number;
  readonly pcpuIndex: number;
  readonly name: string;
  /** key=value pairs of .modinfo in order. */
  readonly modinfo: readonly (readonly [string, string])[];
}
/** A refusal: errno and, for the log, a line of KERN_ERR. */
export interface ElfError {
  readonly errno: number;
  readonly text: string | null;
}

const MISSING_NAME = '(missing .modinfo section or name field)';

function cstring(bytes: Uint8Array, from: number, end: number): string {
  let s = '';
  for (let i = from; i < end && bytes[i] !== 0; i++) s += String.fromCharCode(bytes[i]);
  return s;
}
const bad = (text: string | null): ElfError => ({ errno: -ENOEXEC, text });

/** An unsigned 64-bit field as a number; beyond 2^53 it is only known to be too large. */
function u64(v: DataView, at: number): number {
  return v.getUint32(at + 4, true) * 2 ** 32 + v.getUint32(at, true);
}

/** Takes an image apart, or says why not. */
export function parseModule(image: Uint8Array): ModuleElf | ElfError {
  const v = new DataView(image.buffer, image.byteOffset, image.length);
  const len = image.length;
  if (len < ELF.Ehdr.sizeof) return bad(`Invalid ELF header len ${len}`);
  if (v.getUint32(0, true) !== ELF.ELF_MAGIC) return bad('Invalid ELF header magic: != \x7fELF');
  const type = v.getUint16(ELF.Ehdr.e_type, true);
  if (type !== ELF.ET_REL) return bad(`Invalid ELF header type: ${type} != ${ELF.ET_REL}`);
  const machine = v.getUint16(ELF.Ehdr.e_machine, true);
  const H = ELF.EhdrSections;
  if (machine !== ELF.EM_RISCV || image[H.e_ident_class] !== ELF.ELFCLASS64) return bad(`Invalid architecture in ELF header: ${machine}`);
  if (v.getUint16(H.e_shentsize, true) !== ELF.Shdr.sizeof) return bad('Invalid ELF section header size');
  const shoff = u64(v, H.e_shoff);
  const shnum = v.getUint16(H.e_shnum, true);
  if (shoff >= len || shnum * ELF.Shdr.sizeof > len - shoff) return bad('Invalid ELF section header overflow');
  const shstrndx = v.getUint16(H.e_shstrndx, true);
  if (shstrndx === ELF.SHN_UNDEF || shstrndx >= shnum)
    return bad(`Invalid ELF section name index: ${shstrndx} || e_shstrndx (${shstrndx}) >= e_shnum (${shnum})`);

  const S = ELF.Shdr;
  const head = (i: number) => shoff + i * S.sizeof;
  const inFile = (i: number) => u64(v, head(i) + S.sh_offset) + u64(v, head(i) + S.sh_size) <= len;
  if (!inFile(shstrndx)) return bad(`Invalid ELF section hdr(type ${v.getUint32(head(shstrndx) + S.sh_type, true)})`);
  const strOffset = u64(v, head(shstrndx) + S.sh_offset);
  const strSize = u64(v, head(shstrndx) + S.sh_size);
  if (strSize === 0) return bad('empty section name table');
  if (image[strOffset + strSize - 1] !== 0) return bad("ELF Spec violation: section name table isn't null terminated");
  const type0 = v.getUint32(head(0) + S.sh_type, true);
  if (type0 !== ELF.SHT_NULL || u64(v, head(0) + S.sh_size) !== 0 || u64(v, head(0) + S.sh_addr) !== 0)
    return bad(`ELF Spec violation: section 0 type(${type0})!=SH_NULL or non-zero len or addr`);

  const sections: Section[] = [];
  for (let i = 0; i < shnum; i++) {
    const at = head(i);
    const nameOffset = v.getUint32(at + S.sh_name, true);
    sections.push({
      name: nameOffset < strSize ? cstring(image, strOffset + nameOffset, strOffset + strSize) : '',
      type: v.getUint32(at + S.sh_type, true),
      flags: v.getUint32(at + S.sh_flags, true),
      addr: 0,
      offset: u64(v, at + S.sh_offset),
      size: u64(v, at + S.sh_size),
      link: v.getUint32(at + S.sh_link, true),
      info: v.getUint32(at + S.sh_info, true),
      align: u64(v, at + S.sh_addralign),
    });
  }
  const found = { info: 0, infos: 0, mod: 0, mods: 0, sym: 0, syms: 0 };
  for (let i = 1; i < shnum; i++) {
    const s = sections[i];
    if (s.type === ELF.SHT_NULL || s.type === ELF.SHT_NOBITS) continue;
    if (s.type === ELF.SHT_SYMTAB) {
      if (s.link === ELF.SHN_UNDEF || s.link >= shnum)
        return bad(`Invalid ELF sh_link!=SHN_UNDEF(${s.link}) or (sh_link(${s.link}) >= hdr->e_shnum(${shnum})`);
      found.syms++;
      found.sym = i;
    }
    if (!inFile(i)) return bad(`Invalid ELF section in module (section ${i} type ${s.type})`);
    if (s.name === '.gnu.linkonce.this_module') {
      found.mods++;
      found.mod = i;
    } else if (s.name === '.modinfo') {
      found.infos++;
      found.info = i;
    }
    if ((s.flags & ELF.SHF_ALLOC) !== 0 && v.getUint32(head(i) + S.sh_name, true) >= strSize)
      return bad(`Invalid ELF section name in module (section ${i} type ${s.type})`);
  }
  if (found.infos > 1) return bad('Only one .modinfo section must exist.');
  const modinfo = found.infos === 1 ? parseModinfo(image, sections[found.info]) : [];
  const infoName = modinfo.find(([key]) => key === 'name')?.[1] ?? null;
  if (found.syms !== 1) return bad(`${infoName ?? MISSING_NAME}: module has no symbols (stripped?)`);
  const label = `module ${infoName ?? MISSING_NAME}: `;
  if (found.mods !== 1) return bad(`${label}Only one .gnu.linkonce.this_module section must exist.`);
  const mod = sections[found.mod];
  if (mod.type === ELF.SHT_NOBITS) return bad(`${label}.gnu.linkonce.this_module section must have a size set`);
  if ((mod.flags & ELF.SHF_ALLOC) === 0)
    return bad(`${label}.gnu.linkonce.this_module must occupy memory during process execution`);
  if (mod.size !== MODULE.sizeof)
    return bad(`${label}.gnu.linkonce.this_module section size must match the kernel's built struct module size at run time`);
  const symbols = parseSymbols(v, image, sections, found.sym);
  if (symbols === null) return bad(null);
  const name = infoName ?? cstring(image, mod.offset + MODULE.name, mod.offset + MODULE.name + 56);
  const indexOf = (n: string) => sections.findIndex((s) => s.name === n && (s.flags & ELF.SHF_ALLOC) !== 0);
  return {
    image,
    view: v,
    sections,
    symbols,
    symIndex: found.sym,
    strIndex: sections[found.sym].link,
    modIndex: found.mod,
    versIndex: Math.max(0, indexOf('__versions')),
    pcpuIndex: Math.max(0, indexOf('.data..percpu')),
    name,
    modinfo,
  };
}
function parseModinfo(image: Uint8Array, s: Section): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  const end = s.offset + s.size;
  for (let at = s.offset; at < end; ) {
    const text = cstring(image, at, end);
    const eq = text.indexOf('=');
    if (eq > 0) pairs.push([text.slice(0, eq), text.slice(eq + 1)]);
    at += text.length + 1;
  }
  return pairs;
}
/** The symbol table; null when an entry leaves its tables. */
function parseSymbols(v: DataView, image: Uint8Array, sections: readonly Section[], symIndex: number): ElfSymbol[] | null {
  const table = sections[symIndex];
  const strings = sections[table.link];
  if (strings.type === ELF.SHT_NOBITS || strings.offset + strings.size > image.length) return null;
  const end = strings.offset + strings.size;
  if (strings.size === 0 || image[end - 1] !== 0) return null;
  const symbols: ElfSymbol[] = [];
  for (let i = 0; i < Math.floor(table.size / ELF.Sym.sizeof); i++) {
    const at = table.offset + i * ELF.Sym.sizeof;
    const nameOffset = v.getUint32(at + ELF.Sym.st_name, true);
    if (nameOffset >= strings.size) return null;
    const shndx = v.getUint16(at + ELF.Sym.st_shndx, true);
    if (shndx >= sections.length && shndx < 0xff00) return null;
    symbols.push({
      name: cstring(image, strings.offset + nameOffset, end),
      info: image[at + ELF.Sym.st_info],
      other: image[at + ELF.Sym.st_other],
      shndx,
      value: Number(v.getBigInt64(at + ELF.Sym.st_value, true)),
      size: u64(v, at + ELF.Sym.st_size),
      nameOffset,
    });
  }
  return symbols;
}
/** get_modinfo: the first value of `key`, or null. */
export function getModinfo(elf: ModuleElf, key: string): string | null {
  return elf.modinfo.find(([name]) => name === key)?.[1] ?? null;
}
/** find_sec: index of the loaded section of this name, 0 = none. */
export function findSection(elf: ModuleElf, name: string): number {
  for (let i = 1; i < elf.sections.length; i++)
    if ((elf.sections[i].flags & ELF.SHF_ALLOC) !== 0 && elf.sections[i].name === name) return i;
  return 0;
}
