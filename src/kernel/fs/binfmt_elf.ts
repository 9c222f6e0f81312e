import { EINVAL, EIO, ELIBBAD, ENOEXEC, ENOMEM } from '../../abi/errno.ts';
import * as ELF from '../../abi/elf.ts';
import { PATH_MAX } from '../../abi/fs.ts';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.ts';
import { SI_KERNEL, SIGKILL } from '../../abi/signal.ts';
import { ELF_HWCAP } from '../cpufeature.ts';
import { type Bprm, beginNewExec, kernelRead, openExec, startThread } from '../exec.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf, stringOf } from '../lib/bytes.ts';
import { PAGE_SIZE, pageAlign, pageFloor, TASK_SIZE } from '../mm/address.ts';
import { alignStack, ELF_ET_DYN_BASE, mmapRandom, pickMmapLayout, randomBrk, randomStackTop } from '../mm/layout.ts';
import { accessRemote } from '../mm/memory.ts';
import { doMmap, getUnmappedArea, insertVma } from '../mm/mmap.ts';
import {
  type MmStruct,
  mmAlloc,
  VM_ACCOUNT,
  VM_EXEC,
  VM_GROWSDOWN,
  VM_MAYEXEC,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_READ,
  VM_WRITE,
} from '../mm/mm_struct.ts';
import { mapVdso } from '../vdso/vdso.ts';
import { PF_RANDOMIZE } from '../sched/task.ts';
import { forceSignal } from '../signal.ts';
import { pathWalk } from './namei.ts';
import type { File } from './types.ts';

// ELF programs, static and dynamic (fs/binfmt_elf.c). Only riscv64 little-endian.

const RLIMIT_STACK = 3;
/** personality(2). */
const ADDR_NO_RANDOMIZE = 0x004_0000;
const ADDR_COMPAT_LAYOUT = 0x020_0000;
const PER_MASK = 0xff;
/** How much of the stack area exists before the first fault grows it. */
const STACK_EXPAND = 128 * 1024;
/** The header and program headers must fit in 64 KiB. */
const MAX_PHDRS = 65536;

interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly filesz: number;
  readonly memsz: number;
  readonly align: number;
}
interface ElfFile {
  readonly file: File;
  readonly type: number;
  readonly entry: number;
  readonly phoff: number;
  readonly phnum: number;
  readonly phdrs: readonly ProgramHeader[];
}

/** A 64-bit field that must be a sane address or size; NaN-free: anything beyond 2^53 comes out as -1. */
function field64(v: DataView, at: number): number {
  const n = v.getBigUint64(at, true);
  return n > BigInt(Number.MAX_SAFE_INTEGER) ? -1 : Number(n);
}

/** Reads and checks the headers. `bad` is the errno for what is no riscv64 ELF. */
function readElf(k: Kernel, file: File, head: Uint8Array, bad: number): ElfFile | number {
  if (head.length < ELF.Ehdr.sizeof) return -bad;
  const v = new DataView(head.buffer, head.byteOffset, head.length);
  if (v.getUint32(0, true) !== ELF.ELF_MAGIC || head[4] !== ELF.ELFCLASS64 || head[5] !== ELF.ELFDATA2LSB) return -bad;
  const type = v.getUint16(ELF.Ehdr.e_type, true);
  if (type !== ELF.ET_EXEC && type !== ELF.ET_DYN) return -bad;
  if (v.getUint16(ELF.Ehdr.e_machine, true) !== ELF.EM_RISCV || file.inode.fop.mmap === undefined) return -bad;
  const phnum = v.getUint16(ELF.Ehdr.e_phnum, true);
  const phoff = field64(v, ELF.Ehdr.e_phoff);
  if (v.getUint16(ELF.Ehdr.e_phentsize, true) !== ELF.Phdr.sizeof || phnum < 1 || phnum * ELF.Phdr.sizeof > MAX_PHDRS || phoff < 0)
    return -bad;
  const raw = kernelRead(k, file, phoff, phnum * ELF.Phdr.sizeof);
  if (typeof raw === 'number') return raw;
  if (raw.length < phnum * ELF.Phdr.sizeof) return -bad;
  const p = new DataView(raw.buffer, raw.byteOffset, raw.length);
  const phdrs: ProgramHeader[] = [];
  for (let i = 0; i < phnum; i++) {
    const at = i * ELF.Phdr.sizeof;
    phdrs.push({
      type: p.getUint32(at + ELF.Phdr.p_type, true),
      flags: p.getUint32(at + ELF.Phdr.p_flags, true),
      offset: field64(p, at + ELF.Phdr.p_offset),
      vaddr: field64(p, at + ELF.Phdr.p_vaddr),
      filesz: field64(p, at + ELF.Phdr.p_filesz),
      memsz: field64(p, at + ELF.Phdr.p_memsz),
      align: field64(p, at + ELF.Phdr.p_align),
    });
  }
  return { file, type, entry: field64(v, ELF.Ehdr.e_entry), phoff, phnum, phdrs };
}

/** The program's interpreter (ld.so), opened and checked; null when it needs none. */
function readInterpreter(k: Kernel, elf: ElfFile): ElfFile | null | number {
  const header = elf.phdrs.find((p) => p.type === ELF.PT_INTERP);
  if (header === undefined) return null;
  if (header.filesz < 2 || header.filesz > PATH_MAX || header.offset < 0) return -ENOEXEC;
  const bytes = kernelRead(k, elf.file, header.offset, header.filesz);
  if (typeof bytes === 'number') return bytes;
  if (bytes.length < header.filesz) return -EIO;
  if (bytes[header.filesz - 1] !== 0) return -ENOEXEC;
  const name = stringOf(bytes.subarray(0, bytes.indexOf(0)));
  const path = pathWalk(k, k.current.fs.pwd, name, true);
  if (typeof path === 'number') return path;
  const file = openExec(k, path);
  if (typeof file === 'number') return file;
  const head = kernelRead(k, file, 0, ELF.Ehdr.sizeof);
  const interp = typeof head === 'number' ? head : readElf(k, file, head, ELIBBAD);
  if (typeof interp === 'number') k.vfs.fput(file);
  return interp;
}

/** Loads an ELF program in place of the current one. 0 or -errno (the old program goes on, if this is not the current task's own failure past the point of no return). */
export function loadElf(k: Kernel, bprm: Bprm): number {
  const elf = readElf(k, bprm.file, bprm.buf, ENOEXEC);
  if (typeof elf === 'number') return elf;
  const interp = readInterpreter(k, elf);
  if (typeof interp === 'number') return interp;
  const mm = mmAlloc(k);
  if (mm === null) {
    if (interp !== null) k.vfs.fput(interp.file);
    return -ENOMEM;
  }
  beginNewExec(k, bprm, mm);
  const r = setUpImage(k, bprm, mm, elf, interp);
  if (interp !== null) k.vfs.fput(interp.file);
  // The old program is gone: there is nobody to return an error to.
  if (r < 0 && k.sched.loaded === k.current) forceSignal(k, k.current, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 });
  return r;
}

function setUpImage(k: Kernel, bprm: Bprm, mm: MmStruct, elf: ElfFile, interp: ElfFile | null): number {
  const task = k.current;
  task.personality &= ~PER_MASK;
  const randomize = k.mm.randomizeVaSpace !== 0 && (task.personality & ADDR_NO_RANDOMIZE) === 0;
  task.flags = (task.flags & ~PF_RANDOMIZE) | (randomize ? PF_RANDOMIZE : 0);
  const stackLimit = k.current.signal.rlimit(RLIMIT_STACK);
  pickMmapLayout(k, mm, stackLimit, randomize, (task.personality & ADDR_COMPAT_LAYOUT) !== 0);
  const stackHeader = elf.phdrs.find((p) => p.type === ELF.PT_GNU_STACK);
  const stack = setUpStack(k, bprm, mm, randomize, stackLimit, stackHeader !== undefined && (stackHeader.flags & ELF.PF_X) !== 0);
  if (typeof stack === 'number') return stack;

  const bias = elf.type === ELF.ET_EXEC ? 0 : placeProgram(k, mm, elf, interp !== null, randomize);
  if (bias < 0) return bias;
  const image = mapSegments(k, mm, elf, bias);
  if (typeof image === 'number') return image;
  mm.startCode = image.startCode;
  mm.endCode = image.endCode;
  mm.startData = image.startData;
  mm.endData = image.endData;
  mm.startBrk = mm.brk = pageAlign(image.brk);

  let entry = elf.entry + bias;
  let interpBase = 0;
  if (interp !== null) {
    const span = totalSpan(interp);
    if (span <= 0) return -EINVAL;
    interpBase = interp.type === ELF.ET_EXEC ? 0 : getUnmappedArea(mm, 0, span);
    if (interpBase < 0) return interpBase;
    if (interp.type === ELF.ET_DYN) interpBase -= firstPage(interp);
    const loaded = mapSegments(k, mm, interp, interpBase);
    if (typeof loaded === 'number') return loaded;
    entry = interp.entry + interpBase;
  }
  if (!(entry >= 0 && entry < TASK_SIZE)) return -EINVAL;
  const vdso = mapVdso(k, mm);
  if (vdso < 0) return vdso;
  if (randomize && k.mm.randomizeVaSpace > 1)
    mm.startBrk = mm.brk = randomBrk(k, interp === null && elf.type === ELF.ET_DYN ? ELF_ET_DYN_BASE : mm.brk);

  const sp = createElfTables(k, bprm, mm, elf, { bias, interpBase: interp === null ? 0 : interpBase, stack, randomize });
  if (sp < 0) return sp;
  mm.startStack = sp;
  mm.publish();
  startThread(k, entry, sp);
  return 0;
}

function firstPage(elf: ElfFile): number {
  return pageFloor(elf.phdrs.find((p) => p.type === ELF.PT_LOAD)?.vaddr ?? 0);
}
/** Bytes from the first to the last page of all segments; 0 when there is none. */
function totalSpan(elf: ElfFile): number {
  let end = 0;
  for (const p of elf.phdrs) if (p.type === ELF.PT_LOAD) end = Math.max(end, p.vaddr + p.memsz);
  return pageAlign(Math.max(0, end - firstPage(elf)));
}

/** Load bias of a position-independent program: near 2/3 of the address space with an interpreter, among the mappings without. */
function placeProgram(k: Kernel, mm: MmStruct, elf: ElfFile, hasInterp: boolean, randomize: boolean): number {
  const first = firstPage(elf);
  if (!hasInterp) {
    const at = getUnmappedArea(mm, 0, totalSpan(elf));
    return at < 0 ? at : at - first;
  }
  let align = PAGE_SIZE;
  for (const p of elf.phdrs) if (p.type === ELF.PT_LOAD && p.align > align && (p.align & (p.align - 1)) === 0) align = p.align;
  const base = ELF_ET_DYN_BASE + mmapRandom(k, randomize);
  return pageFloor(base - (base % align) - first);
}

interface Image {
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  brk: number;
}

function mapSegments(k: Kernel, mm: MmStruct, elf: ElfFile, bias: number): Image | number {
  const image: Image = { startCode: Number.MAX_SAFE_INTEGER, endCode: 0, startData: 0, endData: 0, brk: 0 };
  let mapped = false;
  for (const p of elf.phdrs) {
    if (p.type !== ELF.PT_LOAD) continue;
    const { filesz, memsz, offset } = p;
    if (p.vaddr < 0 || filesz < 0 || memsz < 0 || offset < 0 || filesz > memsz || memsz > TASK_SIZE || p.vaddr + bias > TASK_SIZE - memsz)
      return -EINVAL;
    const prot =
      ((p.flags & ELF.PF_R) !== 0 ? PROT_READ : 0) |
      ((p.flags & ELF.PF_W) !== 0 ? PROT_WRITE : 0) |
      ((p.flags & ELF.PF_X) !== 0 ? PROT_EXEC : 0);
    const r = mapSegment(k, mm, elf, p, bias, prot);
    if (r < 0) return r;
    mapped = true;
    const start = p.vaddr + bias;
    if ((p.flags & ELF.PF_X) !== 0) {
      image.startCode = Math.min(image.startCode, start);
      image.endCode = Math.max(image.endCode, start + filesz);
    }
    image.startData = Math.max(image.startData, start);
    image.endData = Math.max(image.endData, start + filesz);
    image.brk = Math.max(image.brk, start + memsz);
  }
  if (!mapped) return -EINVAL;
  if (image.startCode === Number.MAX_SAFE_INTEGER) image.startCode = 0;
  return image;
}

/** One segment: file pages, the zeroed rest of the last one, and anonymous pages after that (elf_load). */
function mapSegment(k: Kernel, mm: MmStruct, elf: ElfFile, p: ProgramHeader, bias: number, prot: number): number {
  const start = pageFloor(p.vaddr + bias);
  const inPage = p.vaddr + bias - start;
  if (p.offset % PAGE_SIZE !== p.vaddr % PAGE_SIZE && p.filesz > 0) return -EINVAL;
  const fileEnd = p.vaddr + bias + p.filesz;
  let anonFrom = start;
  if (p.filesz > 0) {
    const fixed = elf.type === ELF.ET_EXEC ? MAP_FIXED_NOREPLACE : MAP_FIXED;
    const r = doMmap(k, mm, elf.file, start, p.filesz + inPage, prot, MAP_PRIVATE | fixed, p.offset - inPage);
    if (r < 0) return r;
    anonFrom = pageAlign(fileEnd);
    if (p.memsz > p.filesz && (prot & PROT_WRITE) !== 0 && fileEnd % PAGE_SIZE !== 0) {
      const zeroed = accessRemote(k, mm, fileEnd, new Uint8Array(Math.min(anonFrom - fileEnd, p.memsz - p.filesz)), true);
      if (zeroed < 0) return zeroed;
    }
  }
  const end = pageAlign(p.vaddr + bias + p.memsz);
  if (end <= anonFrom || p.memsz <= p.filesz) return 0;
  // vm_brk_flags: always readable and writable.
  const bssProt = PROT_READ | PROT_WRITE | (prot & PROT_EXEC);
  const r = doMmap(k, mm, null, anonFrom, end - anonFrom, bssProt, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
  return Math.min(r, 0);
}

interface StackStrings {
  /** Below this the tables go. */
  readonly p: number;
  readonly filename: number;
}

/** Makes the stack area and copies the strings to its top (copy_strings, setup_arg_pages). */
function setUpStack(k: Kernel, bprm: Bprm, mm: MmStruct, randomize: boolean, limit: number, executable: boolean): StackStrings | number {
  const top = randomStackTop(k, randomize);
  const filename = top - 8 - (bprm.filename.length + 1);
  let size = 0;
  for (const s of bprm.argv) size += s.length + 1;
  mm.argEnd = filename;
  for (const s of bprm.envp) mm.argEnd -= s.length + 1;
  mm.envStart = mm.argEnd;
  mm.envEnd = filename;
  mm.argStart = mm.argEnd - size;
  const used = top - pageFloor(mm.argStart);
  const length = Math.max(used, pageFloor(Math.min(limit, used + STACK_EXPAND)));
  insertVma(k, mm, {
    start: top - length,
    end: top,
    flags: VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_ACCOUNT | (executable ? VM_EXEC : 0),
    mapping: null,
    file: null,
    pgoff: (TASK_SIZE - length) / PAGE_SIZE,
    name: '[stack]',
  });
  const bytes = new Uint8Array(top - mm.argStart);
  let at = 0;
  for (const s of [...bprm.argv, ...bprm.envp, bprm.filename]) {
    bytes.set(bytesOf(s), at);
    at += s.length + 1;
  }
  const r = accessRemote(k, mm, mm.argStart, bytes, true);
  return r < 0 ? r : { p: mm.argStart, filename };
}

interface TableInfo {
  readonly bias: number;
  readonly interpBase: number;
  readonly stack: StackStrings;
  readonly randomize: boolean;
}

/** argc, argv, envp and the auxiliary vector below the strings (create_elf_tables). The stack pointer, or -errno. */
function createElfTables(k: Kernel, bprm: Bprm, mm: MmStruct, elf: ElfFile, info: TableInfo): number {
  const random = new Uint8Array(16);
  k.host.entropy(random);
  const randomAt = alignStack(k, info.stack.p, info.randomize) - 16;
  const r = accessRemote(k, mm, randomAt, random, true);
  if (r < 0) return r;
  const headers = elf.phdrs.find((p) => p.type === ELF.PT_LOAD && p.offset <= elf.phoff && elf.phoff < p.offset + p.filesz);
  const { cred } = bprm;
  const aux: number[] = [ELF.AT_SYSINFO_EHDR, mm.vdso];
  for (let i = 0; i < 8; i++) aux.push(ELF.AT_L1I_CACHESIZE + i, 0);
  aux.push(
    ELF.AT_MINSIGSTKSZ,
    ELF.RISCV_MINSIGSTKSZ,
    ELF.AT_HWCAP,
    ELF_HWCAP,
    ELF.AT_PAGESZ,
    PAGE_SIZE,
    ELF.AT_CLKTCK,
    100,
    ELF.AT_PHDR,
    headers === undefined ? 0 : elf.phoff - headers.offset + headers.vaddr + info.bias,
    ELF.AT_PHENT,
    ELF.Phdr.sizeof,
    ELF.AT_PHNUM,
    elf.phnum,
    ELF.AT_BASE,
    info.interpBase,
    ELF.AT_FLAGS,
    0,
    ELF.AT_ENTRY,
    elf.entry + info.bias,
    ELF.AT_UID,
    cred.uid,
    ELF.AT_EUID,
    cred.euid,
    ELF.AT_GID,
    cred.gid,
    ELF.AT_EGID,
    cred.egid,
    ELF.AT_SECURE,
    bprm.secureexec ? 1 : 0,
    ELF.AT_RANDOM,
    randomAt,
    ELF.AT_EXECFN,
    info.stack.filename,
    ELF.AT_RSEQ_FEATURE_SIZE,
    28,
    ELF.AT_RSEQ_ALIGN,
    32,
    ELF.AT_NULL,
    0,
  );
  const words: number[] = [bprm.argv.length];
  let at = mm.argStart;
  for (const list of [bprm.argv, bprm.envp]) {
    for (const s of list) {
      words.push(at);
      at += s.length + 1;
    }
    words.push(0);
  }
  const auxAt = words.length;
  words.push(...aux);
  const bytes = new Uint8Array(words.length * 8);
  const v = new DataView(bytes.buffer);
  words.forEach((w, i) => {
    v.setBigUint64(i * 8, BigInt(w), true);
  });
  mm.auxv = bytes.slice(auxAt * 8);
  const sp = Math.floor((randomAt - bytes.length) / 16) * 16;
  const written = accessRemote(k, mm, sp, bytes, true);
  return written < 0 ? written : sp;
}
