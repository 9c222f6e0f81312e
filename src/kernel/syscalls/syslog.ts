import * as NR from '../../abi/syscall_nr.ts';
import { syslog } from '../printk/syslog.ts';
import type { SyscallRow } from './table.ts';

export const syslogSyscalls: readonly SyscallRow[] = [
  { nr: NR.NR_syslog, name: 'syslog', handler: (k, type, buf, length) => syslog(k, type | 0, buf, length), support: 'full' },
];
