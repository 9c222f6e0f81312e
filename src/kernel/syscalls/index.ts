import * as NR from '../../abi/syscall_nr.ts';
import { cloneSyscalls } from './clone.ts';
import { credSyscalls } from './cred.ts';
import { aioSyscalls } from './aio.ts';
import { eventSyscalls } from './eventfd.ts';
import { fsSyscalls } from './fs.ts';
import { futexSyscalls } from './futex.ts';
import { hwprobeSyscalls } from './hwprobe.ts';
import { miscSyscalls } from './misc.ts';
import { moduleSyscalls } from './module.ts';
import { schedSyscalls } from './sched.ts';
import { timerSyscalls } from './timer.ts';
import { mmSyscalls } from './mm.ts';
import { ipcSyscalls } from './ipc.ts';
import { namespaceSyscalls } from './namespace.ts';
import { netSyscalls } from './net.ts';
import { ptraceSyscalls } from './ptrace.ts';
import { pidfdSyscalls } from './pidfd.ts';
import { processSyscalls } from './process.ts';
import { selectSyscalls } from './select.ts';
import { signalSyscalls } from './signal.ts';
import { syslogSyscalls } from './syslog.ts';
import type { SyscallRow } from './table.ts';
import { timeSyscalls } from './time.ts';

/** Every system call there is, for documents and for dispatch. */
export const allSyscalls: readonly SyscallRow[] = [
  ...cloneSyscalls,
  ...credSyscalls,
  ...aioSyscalls,
  ...eventSyscalls,
  ...fsSyscalls,
  ...futexSyscalls,
  ...hwprobeSyscalls,
  ...miscSyscalls,
  ...moduleSyscalls,
  ...schedSyscalls,
  ...timerSyscalls,
  ...mmSyscalls,
  ...ipcSyscalls,
  ...namespaceSyscalls,
  ...netSyscalls,
  ...pidfdSyscalls,
  ...processSyscalls,
  ...ptraceSyscalls,
  ...selectSyscalls,
  ...signalSyscalls,
  ...syslogSyscalls,
  ...timeSyscalls,
];

/** Rows by number. */
export const syscallTable: readonly (SyscallRow | undefined)[] = buildTable();

function buildTable(): (SyscallRow | undefined)[] {
  const table: (SyscallRow | undefined)[] = [];
  for (const row of allSyscalls) {
    if (table[row.nr] !== undefined) throw new Error(`two rows for system call ${row.nr}: ${row.name}`);
    table[row.nr] = row;
  }
  return table;
}

const names = new Map<number, string>(Object.entries(NR).map(([name, nr]) => [nr, name.slice('NR_'.length)]));
/** The name of a system call number, implemented or not. */
export function syscallName(nr: number): string {
  return names.get(nr) ?? String(nr);
}
