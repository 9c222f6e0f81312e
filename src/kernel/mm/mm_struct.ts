/** An address space. Owned by the mm helper. */
export interface MmStruct {
  /** Physical address of the mm_struct in RAM and of its root page table. */
  readonly addr: number;
  readonly pgd: number;
}
