import { fsMountSyscalls } from './fs_mount.ts';
import { fsMountApiSyscalls } from './fs_mount_api.ts';
import { fsNotifySyscalls } from './fs_notify.ts';
import { fsNameiSyscalls } from './fs_namei.ts';
import { fsOpenSyscalls } from './fs_open.ts';
import { fsRwSyscalls } from './fs_rw.ts';
import { fsStatSyscalls } from './fs_stat.ts';
import type { SyscallRow } from './table.ts';

/** System calls on files. */
export const fsSyscalls: readonly SyscallRow[] = [
  ...fsOpenSyscalls,
  ...fsRwSyscalls,
  ...fsNameiSyscalls,
  ...fsStatSyscalls,
  ...fsMountSyscalls,
  ...fsMountApiSyscalls,
  ...fsNotifySyscalls,
];
