import { dtypeOf, S_IFDIR } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import type { DirEntry, InodeOperations } from '../types.ts';
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
      const task = k.sched.tasks.get(Number(name));
      // A thread's directory can be named, though it is not listed.
      return task === undefined ? null : pidDirInode(k, task, false);
    }
    const e = (dir.data as ProcEntry).children.get(name);
    return e === undefined ? null : procInode(k, e);
  },
  entries(k, dir) {
    const out: DirEntry[] = procEntries(dir.data as ProcEntry);
    const pids = [...k.sched.tasks.values()].filter((t) => t.pid !== 0 && t.pid === t.tgid).map((t) => t.pid);
    pids.sort((a, b) => a - b);
    for (const pid of pids) out.push({ name: String(pid), ino: pidDirIno(pid, false), type: dtypeOf(S_IFDIR) });
    return out;
  },
};

export function procInit(k: Kernel): void {
  const proc = new ProcFs();
  k.procfs = proc;
  proc.sb = k.vfs.newSuperBlock('proc', PROC_SUPER_MAGIC, true);
  proc.symlink('self', (kk) => String(kk.current.tgid));
  proc.symlink('thread-self', (kk) => `${kk.current.tgid}/task/${kk.current.pid}`);
  proc.symlink('mounts', () => 'self/mounts', 'self/mounts'.length);
  proc.symlink('net', () => 'self/net', 'self/net'.length);
  procMiscInit(k);
  procMemInit(k);
  procKmsgInit(k);
  procDevicesInit(k);
  procSysInit(k);
  const root = procInode(k, proc.root, procRootOps);
  k.vfs.makeRoot(proc.sb, root);
  k.vfs.register({ name: 'proc', nodev: true, mount: (kk) => kk.procfs.sb });
}
