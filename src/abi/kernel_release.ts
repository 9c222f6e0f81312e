/** The kernel that Lintel is: Debian 13's 6.12, whose headers modules are built against (docs/architecture.md, "One pinned kernel"). */
export const UTS_SYSNAME = 'Linux';
export const UTS_RELEASE = '6.12.107+deb13-riscv64';
/** include/generated/uapi/linux/version.h: 6.12.107. */
export const LINUX_VERSION_CODE = 0x060c6b;
export const UTS_VERSION = '#1 SMP Debian 6.12.107-1 (2026-08-29)';
export const UTS_MACHINE = 'riscv64';
/** What /proc/version and the first line of the log say between release and version. */
export const COMPILER_BANNER =
  '(debian-kernel@lists.debian.org) (riscv64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0, GNU ld (GNU Binutils for Debian) 2.44)';
export const VERMAGIC = `${UTS_RELEASE} SMP mod_unload modversions riscv`;
