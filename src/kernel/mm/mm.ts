/** State of memory management of one kernel: page allocator, slab, kernel page table. Owned by the mm helper. */
export interface MemoryManager {
  /** Physical address of the kernel's root page table (swapper_pg_dir). */
  readonly swapperPgDir: number;
}
