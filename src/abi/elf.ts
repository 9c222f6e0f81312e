// ELF64 (System V gABI, RISC-V psABI).
/** Offsets in Elf64_Ehdr and Elf64_Phdr. */
export const Ehdr = { sizeof: 64, e_type: 16, e_machine: 18, e_entry: 24, e_phoff: 32, e_phentsize: 54, e_phnum: 56 } as const;
export const Phdr = { sizeof: 56, p_type: 0, p_flags: 4, p_offset: 8, p_vaddr: 16, p_filesz: 32, p_memsz: 40, p_align: 48 } as const;

/** "\x7fELF" read as a little-endian word. */
export const ELF_MAGIC = 0x464c457f;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const ET_REL = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const EM_RISCV = 243;
export const PT_LOAD = 1;
export const PT_INTERP = 3;
export const PT_PHDR = 6;
export const PT_GNU_STACK = 0x6474e551;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

export const AT_NULL = 0;
export const AT_PHDR = 3;
export const AT_PHENT = 4;
export const AT_PHNUM = 5;
export const AT_PAGESZ = 6;
export const AT_BASE = 7;
export const AT_FLAGS = 8;
export const AT_ENTRY = 9;
export const AT_UID = 11;
export const AT_EUID = 12;
export const AT_GID = 13;
export const AT_EGID = 14;
export const AT_HWCAP = 16;
export const AT_CLKTCK = 17;
export const AT_SECURE = 23;
export const AT_RANDOM = 25;
export const AT_RSEQ_FEATURE_SIZE = 27;
export const AT_RSEQ_ALIGN = 28;
export const AT_EXECFN = 31;
export const AT_SYSINFO_EHDR = 33;
/** Cache geometry, 40 to 47: all 0 where the device tree says nothing. */
export const AT_L1I_CACHESIZE = 40;
export const AT_MINSIGSTKSZ = 51;
/** What a signal frame needs on a hart without vector registers. */
export const RISCV_MINSIGSTKSZ = 1088;
/** Bits of AT_HWCAP: one per single-letter extension. */
export const HWCAP_IMAFDC = (1 << 8) | (1 << 12) | (1 << 0) | (1 << 5) | (1 << 3) | (1 << 2);
