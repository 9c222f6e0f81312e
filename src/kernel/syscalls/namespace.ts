import { EBADF, EINVAL, ESRCH } from '../../abi/errno.ts';
import * as NR from '../../abi/syscall_nr.ts';
import { CLONE_NEWUSER } from '../../abi/clone.ts';
import { nsOfFile } from '../fs/nsfs.ts';
import type { Kernel } from '../kernel.ts';
import { CLONE_NS_ALL, NS_FLAG } from '../ns_common.ts';
import { nsListOf, setns, unshare } from '../nsproxy.ts';
import { pidfdTask } from '../pidfd.ts';
import { ptraceMayAccess } from '../ptrace.ts';
import type { SyscallRow } from './table.ts';

// unshare(2), setns(2).

function sysSetns(k: Kernel, fd: number, typeArg: number): number {
  const type = typeArg | 0;
  const file = k.current.files.get(fd | 0);
  if (file === null) return -EBADF;
  const ns = nsOfFile(file);
  if (ns !== null) return type !== 0 && type !== NS_FLAG[ns.kind] ? -EINVAL : setns(k, [ns]);
  const p = pidfdTask(file);
  if (typeof p === 'number' || type === 0 || (type & ~(CLONE_NS_ALL | CLONE_NEWUSER)) !== 0) return -EINVAL;
  if (p.task.exitState !== 0) return -ESRCH;
  if (!ptraceMayAccess(k, p.task)) return -1; // EPERM
  return setns(k, nsListOf(p.task, type));
}

export const namespaceSyscalls: readonly SyscallRow[] = [
  {
    nr: NR.NR_unshare,
    name: 'unshare',
    handler: (k, flags) => unshare(k, flags | 0),
    support: 'partial',
    note: 'network namespaces share the devices and sockets of the first',
  },
  { nr: NR.NR_setns, name: 'setns', handler: sysSetns, support: 'full' },
];
