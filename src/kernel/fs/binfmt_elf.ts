import { EINVAL, EIO, ENOEXEC, ENOMEM } from '../../abi/errno.ts';
import { ELF_MAGIC, EM_RISCV, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_PHDR } from '../../abi/elf.ts';
import type { Kernel } from '../kernel.ts';
import { stringOf } from '../lib/bytes.ts';
import { PAGE_SIZE, pageAlign, pageFloor, TASK_SIZE } from '../mm/address.ts';
import { doMmap, insertVma, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../mm/mmap.ts';
import { type MmStruct, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE } from '../mm/mm_struct.ts';
import { clearUser } from '../mm/uaccess.ts';
import type { File } from './types.ts';

interface Segment {
  readonly offset: number;
  readonly vaddr: number;
  readonly fileSize: number;
  readonly memSize: number;
  readonly flags: number;
}
/** The headers of an executable, checked. */
export interface ElfImage {
  readonly dynamic: boolean;
  readonly entry: number;
  readonly phoff: number;
  readonly phnum: number;
  readonly phdrAddr: number | null;
  readonly interp: string | null;
  readonly segments: readonly Segment[];
  readonly execStack: boolean;
  /** End of the highest segment. */
  readonly end: number;
}

/** Reads and checks the headers. -ENOEXEC for anything that is not a sane riscv64 executable. */
export function loadElf(k: Kernel, file: File): ElfImage | number {
  const mapping = file.inode.mapping;
  if (mapping === null || mapping.size < 64) return -ENOEXEC;
  const header = new Uint8Array(64);
  mapping.read(k, 0, header);
  const h = new DataView(header.buffer);
  if (h.getUint32(0, true) !== ELF_MAGIC || header[4] !== 2 || header[5] !== 1) return -ENOEXEC;
  const type = h.getUint16(16, true);
  if ((type !== ET_EXEC && type !== ET_DYN) || h.getUint16(18, true) !== EM_RISCV) return -ENOEXEC;
  const entry = Number(h.getBigUint64(24, true));
  const phoff = Number(h.getBigUint64(32, true));
  const phnum = h.getUint16(56, true);
  if (h.getUint16(54, true) !== 56 || phnum < 1 || phnum > 1170) return -ENOEXEC;
  if (phoff + phnum * 56 > mapping.size) return -ENOEXEC;
  const table = new Uint8Array(phnum * 56);
  mapping.read(k, phoff, table);
  const v = new DataView(table.buffer);
  const segments: Segment[] = [];
  let interp: string | null = null;
  let phdrAddr: number | null = null;
  let execStack = false;
  let end = 0;
  for (let i = 0; i < phnum; i++) {
    const at = i * 56;
    const kind = v.getUint32(at, true);
    const seg: Segment = {
      flags: v.getUint32(at + 4, true),
      offset: Number(v.getBigUint64(at + 8, true)),
      vaddr: Number(v.getBigUint64(at + 16, true)),
      fileSize: Number(v.getBigUint64(at + 32, true)),
      memSize: Number(v.getBigUint64(at + 40, true)),
    };
    if (kind === PT_INTERP) {
      if (seg.fileSize < 2 || seg.fileSize > 4096 || seg.offset + seg.fileSize > mapping.size) return -ENOEXEC;
      const text = new Uint8Array(seg.fileSize);
      mapping.read(k, seg.offset, text);
      if (text[text.length - 1] !== 0) return -ENOEXEC;
      interp = stringOf(text.subarray(0, text.indexOf(0)));
    } else if (kind === PT_PHDR) phdrAddr = seg.vaddr;
    else if (kind === PT_GNU_STACK) execStack = (seg.flags & PF_X) !== 0;
    else if (kind === PT_LOAD) {
      if (seg.memSize === 0) continue;
      if (seg.fileSize > seg.memSize || seg.vaddr + seg.memSize > TASK_SIZE || seg.offset % PAGE_SIZE !== seg.vaddr % PAGE_SIZE)
        return -EINVAL;
      segments.push(seg);
      end = Math.max(end, seg.vaddr + seg.memSize);
    }
  }
  if (segments.length === 0) return -EINVAL;
  return { dynamic: type === ET_DYN, entry, phoff, phnum, phdrAddr, interp, segments, execStack, end };
}

export interface MappedElf {
  readonly entry: number;
  readonly phdr: number;
  readonly startCode: number;
  readonly endCode: number;
  readonly startData: number;
  readonly endData: number;
  readonly end: number;
}

/** Maps the segments at `bias` into `mm` (the current task's). */
export function mapElf(k: Kernel, mm: MmStruct, file: File, image: ElfImage, bias: number): MappedElf | number {
  let startCode = Number.POSITIVE_INFINITY;
  let endCode = 0;
  let startData = 0;
  let endData = 0;
  let end = 0;
  let phdr = 0;
  for (const s of image.segments) {
    const start = pageFloor(s.vaddr) + bias;
    const skew = s.vaddr % PAGE_SIZE;
    const prot =
      ((s.flags & PF_R) !== 0 ? PROT_READ : 0) | ((s.flags & PF_W) !== 0 ? PROT_WRITE : 0) | ((s.flags & PF_X) !== 0 ? PROT_EXEC : 0);
    const fileEnd = s.vaddr + s.fileSize + bias;
    const memEnd = s.vaddr + s.memSize + bias;
    if (s.fileSize > 0) {
      const r = doMmap(k, mm, file, start, s.fileSize + skew, prot, MAP_PRIVATE | MAP_FIXED, s.offset - skew);
      if (r < 0) return r;
    }
    const bssStart = s.fileSize > 0 ? pageAlign(fileEnd) : start;
    if (memEnd > fileEnd) {
      if (s.fileSize > 0 && fileEnd % PAGE_SIZE !== 0 && (s.flags & PF_W) !== 0) {
        // The rest of the last file page is .bss; beyond the file's end it cannot be read in.
        if (clearUser(k, fileEnd, bssStart - fileEnd) < 0) return -EIO;
      }
      if (pageAlign(memEnd) > bssStart) {
        if (mm.vmas.some((v) => v.start < pageAlign(memEnd) && bssStart < v.end)) return -ENOMEM;
        insertVma(k, mm, {
          start: bssStart,
          end: pageAlign(memEnd),
          flags: prot | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC,
          mapping: null,
          file: null,
          pgoff: bssStart / PAGE_SIZE,
          name: '',
        });
      }
    }
    if (s.offset <= image.phoff && image.phoff < s.offset + s.fileSize) phdr = image.phoff - s.offset + s.vaddr + bias;
    startCode = Math.min(startCode, s.vaddr + bias);
    startData = Math.max(startData, s.vaddr + bias);
    if ((s.flags & PF_X) !== 0) endCode = Math.max(endCode, fileEnd);
    endData = Math.max(endData, fileEnd);
    end = Math.max(end, memEnd);
  }
  if (image.phdrAddr !== null) phdr = image.phdrAddr + bias;
  return { entry: image.entry + bias, phdr, startCode, endCode, startData, endData, end };
}
