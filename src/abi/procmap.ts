// PROCMAP_QUERY on /proc/PID/maps (include/uapi/linux/fs.h; Documentation/filesystems/proc.rst).

export const PROCMAP_QUERY = 0xc068_6611; // _IOWR('f', 17, struct procmap_query)
/** Offsets in struct procmap_query. */
export const ProcmapQuery = {
  sizeof: 104,
  size: 0,
  query_flags: 8,
  query_addr: 16,
  vma_start: 24,
  vma_end: 32,
  vma_flags: 40,
  vma_page_size: 48,
  vma_offset: 56,
  inode: 64,
  dev_major: 72,
  dev_minor: 76,
  vma_name_size: 80,
  build_id_size: 84,
  vma_name_addr: 88,
  build_id_addr: 96,
} as const;
/** What an area must allow, and what the answer's flags say. */
export const PROCMAP_QUERY_VMA_READABLE = 0x01;
export const PROCMAP_QUERY_VMA_WRITABLE = 0x02;
export const PROCMAP_QUERY_VMA_EXECUTABLE = 0x04;
export const PROCMAP_QUERY_VMA_SHARED = 0x08;
/** Else the area must hold the address. */
export const PROCMAP_QUERY_COVERING_OR_NEXT_VMA = 0x10;
export const PROCMAP_QUERY_FILE_BACKED_VMA = 0x20;
