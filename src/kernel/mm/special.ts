import type { Kernel } from '../kernel.ts';
import { VDSO_CODE, VDSO_SIGRETURN } from '../vdso.ts';
import { PAGE_SIZE } from './address.ts';
import { AddressSpace } from './filemap.ts';
import { getUnmappedArea, insertVma } from './mmap.ts';
import { type MmStruct, VM_DONTEXPAND, VM_EXEC, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_PFNMAP, VM_READ } from './mm_struct.ts';

// The pages that the kernel itself maps into every process: [vvar] and [vdso] (arch/riscv/kernel/vdso.c).

/** VVAR_NR_PAGES. */
const VVAR_PAGES = 2;

/** The kernel's own pages: neither files nor shared memory. */
class SpecialPages extends AddressSpace {
  override readonly shmem = false;
  constructor(k: Kernel, pages: number) {
    super();
    this.size = pages * PAGE_SIZE;
    for (let i = 0; i < pages; i++) this.grab(k, i);
    k.mm.stat.filePages -= pages;
  }
}

/** Both mappings, made when the first program starts. */
export interface VdsoPages {
  readonly vvar: AddressSpace;
  readonly vdso: AddressSpace;
}
function makeVdso(k: Kernel): VdsoPages {
  const vvar = new SpecialPages(k, VVAR_PAGES);
  const vdso = new SpecialPages(k, 1);
  const page = vdso.grab(k, 0);
  VDSO_CODE.forEach((word, i) => {
    k.ram.write32(page + VDSO_SIGRETURN + i * 4, word);
  });
  return { vvar, vdso };
}

/** Maps both into a new address space, vvar below vdso. 0 or -errno. */
export function mapVdso(k: Kernel, mm: MmStruct): number {
  const pages = k.vdsoPages ?? makeVdso(k);
  k.vdsoPages = pages;
  const at = getUnmappedArea(mm, 0, (VVAR_PAGES + 1) * PAGE_SIZE);
  if (at < 0) return at;
  const code = at + VVAR_PAGES * PAGE_SIZE;
  const common = { file: null, pgoff: 0 } as const;
  insertVma(k, mm, {
    ...common,
    start: at,
    end: code,
    flags: VM_READ | VM_MAYREAD | VM_PFNMAP | VM_DONTEXPAND,
    mapping: pages.vvar,
    name: '[vvar]',
  });
  insertVma(k, mm, {
    ...common,
    start: code,
    end: code + PAGE_SIZE,
    flags: VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_DONTEXPAND,
    mapping: pages.vdso,
    name: '[vdso]',
  });
  mm.vdso = code;
  return 0;
}
