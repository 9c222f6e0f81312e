import { dtypeOf, S_IFDIR } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { pidVnr } from '../../pid.ts';
import { type PidNamespace, pidNrNs } from '../../pid_namespace.ts';
import type { DirEntry, InodeOperations, SuperBlock } from '../types.ts';
import { pidDirInode, pidDirIno } from './base.ts';
import { procDevicesInit } from './devices.ts';
import { ProcFs, procEntries, procInode, procInodeOps, type ProcEntry } from './generic.ts';
import { procKmsgInit } from './kmsg.ts';
import { procMemInit } from './meminfo.ts';
import { procMiscInit } from './misc.ts';
import { procSysInit } from './proc_sysctl.ts';

const PROC_SUPER_MAGIC = 0x9fa0;

/** /proc itself: the registered entries, then the processes. */
const procRootOps: InodeOperations = {
  ...procInodeOps,
  lookup(k, dir, name) {
    if (/^[1-9][0-9]*$/.test(name)) {
      const task = taskIn(k, k.procfs.pidNsOf(dir.sb), Number(name));
      // A thread's directory can be named, though it is not listed.
      return task === undefined ? null : pidDirInode(k, task, false);
    }
    const e = (dir.data as ProcEntry).children.get(name);
    return e === undefined ? null : procInode(k, e);
  },
  entries(k, dir) {
    const out: DirEntry[] = procEntries(dir.data as ProcEntry);
    const ns = k.procfs.pidNsOf(dir.sb);
    const leaders = [...k.sched.tasks.values()].filter((t) => t.pid !== 0 && t.pid === t.tgid);
    const shown = leaders.map((t) => ({ nr: ns === null ? t.pid : pidNrNs(t.pid, ns), task: t })).filter(({ nr }) => nr !== 0);
    shown.sort((a, b) => a.nr - b.nr);
    for (const { nr, task } of shown) out.push({ name: String(nr), ino: pidDirIno(task, false), type: dtypeOf(S_IFDIR) });
    return out;
  },
};

const taskIn = (k: Kernel, ns: PidNamespace | null, nr: number) => (ns === null ? k.sched.tasks.get(nr) : ns.tasks.get(nr));
/** The super block of /proc for a PID namespace: the same entries, its processes (proc_get_tree). */
function procOf(k: Kernel, ns: PidNamespace): SuperBlock {
  if (ns.parent === null) return k.procfs.sb;
  const sb = k.vfs.newSuperBlock('proc', PROC_SUPER_MAGIC, true);
  k.procfs.namespaces.set(sb, ns);
  k.vfs.makeRoot(sb, { ...procInode(k, k.procfs.root, procRootOps), sb });
  return sb;
}

export function procInit(k: Kernel): void {
  const proc = new ProcFs();
  k.procfs = proc;
  proc.sb = k.vfs.newSuperBlock('proc', PROC_SUPER_MAGIC, true);
  proc.symlink('self', (kk) => String(pidVnr(kk, kk.current.tgid)));
  proc.symlink('thread-self', (kk) => `${pidVnr(kk, kk.current.tgid)}/task/${pidVnr(kk, kk.current.pid)}`);
  proc.symlink('mounts', () => 'self/mounts', 'self/mounts'.length);
  proc.symlink('net', () => 'self/net', 'self/net'.length);
  procMiscInit(k);
  procMemInit(k);
  procKmsgInit(k);
  procDevicesInit(k);
  procSysInit(k);
  const root = procInode(k, proc.root, procRootOps);
  k.vfs.makeRoot(proc.sb, root);
  k.vfs.register({ name: 'proc', nodev: true, mount: (kk) => procOf(kk, kk.current.pidNs) });
}
