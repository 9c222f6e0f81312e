import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../mm/address.ts';
import { AddressSpace } from '../mm/filemap.ts';
import { zapRange } from '../mm/memory.ts';
import { getUnmappedArea, insertVma } from '../mm/mmap.ts';
import { type MmStruct, VM_DONTEXPAND, VM_EXEC, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_PFNMAP, VM_READ } from '../mm/mm_struct.ts';
import { PG_RESERVED, setPageFlags } from '../mm/page.ts';
import { INIT_INUM } from '../ns_common.ts';
import type { TimeNamespace } from '../nsproxy.ts';
import { initDataPage, updateVsyscall } from './datapage.ts';
import { VVAR_PAGES, vdsoImage } from './image.ts';

// The pages that the kernel itself maps into every process: [vvar] and [vdso] (arch/riscv/kernel/vdso.c).

/** The kernel's own pages: neither files nor shared memory. */
class SpecialPages extends AddressSpace {
  override readonly shmem = false;
  constructor(k: Kernel, pages: number) {
    super();
    this.size = pages * PAGE_SIZE;
    // In Linux they lie in the kernel's image, which is reserved memory.
    for (let i = 0; i < pages; i++) {
      const pa = this.grab(k, i);
      k.mm.lru.del(pa);
      setPageFlags(k.ram, k.mm.pages.pageStruct(pa), PG_RESERVED);
    }
    k.mm.stat.filePages -= pages;
  }
}

/** What all processes share, made when the first program starts. */
export interface Vdso {
  readonly vvar: AddressSpace;
  /** The data for time namespaces with offsets of their own: no clock is told, so that the kernel is asked. */
  readonly timensVvar: AddressSpace;
  readonly vdso: AddressSpace;
  /** The frames of the data of these two. */
  readonly dataPages: readonly [number, number];
  /** Offset of the return from signal handlers in the image. */
  readonly sigreturn: number;
}
function vdsoInit(k: Kernel): Vdso {
  const image = vdsoImage();
  const vvar = new SpecialPages(k, VVAR_PAGES);
  const timensVvar = new SpecialPages(k, VVAR_PAGES);
  const vdso = new SpecialPages(k, 1);
  const dataPages = [vvar.grab(k, 0), timensVvar.grab(k, 0)] as const;
  for (const page of dataPages) initDataPage(k, page);
  k.ram.bytes(vdso.grab(k, 0), PAGE_SIZE).set(image.bytes);
  k.vdso = { vvar, timensVvar, vdso, dataPages, sigreturn: image.symbols.get('__vdso_rt_sigreturn') ?? 0 };
  updateVsyscall(k);
  return k.vdso;
}

const vvarOf = (vdso: Vdso, ns: TimeNamespace) => (ns.inum === INIT_INUM.time ? vdso.vvar : vdso.timensVvar);

/** Maps both into a new address space, vvar below vdso (arch_setup_additional_pages). 0 or -errno. */
export function mapVdso(k: Kernel, mm: MmStruct): number {
  const vdso = k.vdso ?? vdsoInit(k);
  const at = getUnmappedArea(mm, 0, (VVAR_PAGES + 1) * PAGE_SIZE);
  if (at < 0) return at;
  const code = at + VVAR_PAGES * PAGE_SIZE;
  const common = { file: null, pgoff: 0 } as const;
  insertVma(k, mm, {
    ...common,
    start: at,
    end: code,
    flags: VM_READ | VM_MAYREAD | VM_PFNMAP | VM_DONTEXPAND,
    mapping: vvarOf(vdso, k.current.nsproxy.time),
    name: '[vvar]',
  });
  insertVma(k, mm, {
    ...common,
    start: code,
    end: code + PAGE_SIZE,
    flags: VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND,
    mapping: vdso.vdso,
    name: '[vdso]',
  });
  mm.vdso = code;
  return 0;
}

/** The process has gone into time namespace `ns` (vdso_join_timens). */
export function vdsoJoinTimens(k: Kernel, mm: MmStruct, ns: TimeNamespace): void {
  const { vdso } = k;
  if (vdso === null) return;
  const mapping = vvarOf(vdso, ns);
  for (const vma of mm.vmas) {
    if (vma.mapping !== vdso.vvar && vma.mapping !== vdso.timensVvar) continue;
    zapRange(k, mm, vma, vma.start, vma.end);
    vma.mapping.removeArea(k, vma);
    vma.mapping = mapping;
    mapping.addArea(vma);
  }
}
