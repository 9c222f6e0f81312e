import { SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHN_ABS, SHN_UNDEF, SHT_NOBITS, STB_WEAK, Sym } from '../../abi/elf.ts';
import { mod_kallsyms as MOD_KALLSYMS } from '../../abi/layout/structs.ts';
import {
  MOD_DATA,
  MOD_INIT_DATA,
  MOD_INIT_RODATA,
  MOD_INIT_TEXT,
  MOD_MEM_NUM_TYPES,
  MOD_RO_AFTER_INIT,
  MOD_RODATA,
  MOD_TEXT,
} from '../../abi/module.ts';
import type { ElfSymbol, ModuleElf, Section } from './elf.ts';

// Which section goes into which of a module's seven memories, and where (kernel/module/main.c, layout_sections; kallsyms.c, layout_symtab).

/** Place of a section: memory and offset in it. */
export interface Placed {
  readonly type: number;
  readonly offset: number;
}
export interface ModuleLayout {
  /** Bytes of each memory, before rounding to pages. */
  readonly size: number[];
  /** By section index; undefined = not loaded. */
  readonly place: (Placed | undefined)[];
  /** Symbols that stay after init (indices into the symbol table). */
  readonly coreSymbols: readonly number[];
  /** Offsets of the core symbol table, its strings and its types in MOD_DATA. */
  readonly symOffset: number;
  readonly strOffset: number;
  readonly typeOffset: number;
}

/** SHF_RO_AFTER_INIT: our own bit, as in include/linux/moduleloader.h. */
const SHF_RO_AFTER_INIT = 0x0020_0000;
const ALL = SHF_ALLOC;
const PASSES: readonly (readonly [has: number, hasNot: number, core: number, init: number])[] = [
  [SHF_EXECINSTR | ALL, 0, MOD_TEXT, MOD_INIT_TEXT],
  [ALL, SHF_WRITE, MOD_RODATA, MOD_INIT_RODATA],
  [SHF_RO_AFTER_INIT | ALL, 0, MOD_RO_AFTER_INIT, -1],
  [SHF_WRITE | ALL, 0, MOD_DATA, MOD_INIT_DATA],
];
const alignUp = (n: number, align: number) => (align > 1 ? Math.ceil(n / align) * align : n);

export function isInitSection(name: string): boolean {
  return name.startsWith('.init');
}
function isInitMemory(type: number): boolean {
  return type >= MOD_INIT_TEXT;
}

/** Plans the memories. Flags of sections change: what the loader alone reads is not loaded, the symbol table is. */
export function layoutModule(elf: ModuleElf): ModuleLayout {
  const { sections } = elf;
  for (const s of sections) {
    if (s.name === '.modinfo') s.flags &= ~SHF_ALLOC;
    if (s.name === '.data..ro_after_init' || s.name === '__jump_table') s.flags |= SHF_RO_AFTER_INIT;
  }
  if (elf.versIndex !== 0) sections[elf.versIndex].flags &= ~SHF_ALLOC;
  if (elf.pcpuIndex !== 0) sections[elf.pcpuIndex].flags &= ~SHF_ALLOC;
  const size = new Array<number>(MOD_MEM_NUM_TYPES).fill(0);
  const place: (Placed | undefined)[] = [];
  const put = (type: number, s: Section, index: number) => {
    const offset = alignUp(size[type], s.align);
    size[type] = offset + s.size;
    place[index] = { type, offset };
  };
  for (const init of [false, true])
    for (const [has, hasNot, core, initType] of PASSES)
      sections.forEach((s, i) => {
        if ((s.flags & has) !== has || (s.flags & hasNot) !== 0 || place[i] !== undefined || isInitSection(s.name) !== init) return;
        const type = init ? initType : core;
        if (type >= 0) put(type, s, i);
      });

  const symtab = sections[elf.symIndex];
  const strtab = sections[elf.strIndex];
  symtab.flags |= SHF_ALLOC;
  put(MOD_INIT_DATA, symtab, elf.symIndex);
  const coreSymbols: number[] = [];
  let strings = 0;
  elf.symbols.forEach((s, i) => {
    if (i > 0 && !isCoreSymbol(elf, s, place)) return;
    coreSymbols.push(i);
    strings += s.name.length + 1;
  });
  const symOffset = alignUp(size[MOD_DATA], symtab.align);
  const strOffset = symOffset + coreSymbols.length * Sym.sizeof;
  const typeOffset = strOffset + strings;
  size[MOD_DATA] = typeOffset + coreSymbols.length;
  strtab.flags |= SHF_ALLOC;
  put(MOD_INIT_DATA, strtab, elf.strIndex);
  size[MOD_INIT_DATA] = alignUp(size[MOD_INIT_DATA], 8) + MOD_KALLSYMS.sizeof + elf.symbols.length;
  return { size, place, coreSymbols, symOffset, strOffset, typeOffset };
}
/** is_core_symbol, with KALLSYMS_ALL. */
function isCoreSymbol(elf: ModuleElf, s: ElfSymbol, place: readonly (Placed | undefined)[]): boolean {
  if (s.shndx === SHN_UNDEF || s.shndx >= elf.sections.length || s.name === '') return false;
  if (s.shndx === elf.pcpuIndex) return true;
  const section = elf.sections[s.shndx];
  const at = place[s.shndx];
  return (section.flags & SHF_ALLOC) !== 0 && at !== undefined && !isInitMemory(at.type);
}
/** The letter of a symbol in /proc/kallsyms (elf_type). */
export function symbolType(elf: ModuleElf, s: ElfSymbol): string {
  if (s.info >> 4 === STB_WEAK) return (s.info & 15) === 1 ? 'v' : 'w';
  if (s.shndx === SHN_UNDEF) return 'U';
  if (s.shndx === SHN_ABS || s.shndx === elf.pcpuIndex) return 'a';
  if (s.shndx >= elf.sections.length) return '?';
  const { flags, type, name } = elf.sections[s.shndx];
  if ((flags & SHF_EXECINSTR) !== 0) return 't';
  if ((flags & SHF_ALLOC) !== 0 && type !== SHT_NOBITS) return (flags & SHF_WRITE) === 0 ? 'r' : 'd';
  if (type === SHT_NOBITS) return 'b';
  return name.startsWith('.debug') ? 'n' : '?';
}
