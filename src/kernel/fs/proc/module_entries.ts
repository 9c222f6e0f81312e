import { EINVAL, EIO, ENOENT, ENOMEM } from '../../../abi/errno.ts';
import { S_IFDIR, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import { file as FILE, file_operations as FOPS, net as NET, proc_ops as OPS } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { readKernel64, writeKernel64 } from '../../mm/maccess.ts';
import { type FunctionExport, fn, internal } from '../../module/export.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { runSteps, type Step, stepAction } from '../../module/steps.ts';
import { warnInExport } from '../../traps.ts';
import { fileOperation, kfree, kzalloc, moduleFile, openModuleFile } from '../module_file.ts';
import { seqOpen, seqOpenPrivate, singleOpen } from '../seq_file.ts';
import type { FileOperations } from '../types.ts';
import type { ProcEntry } from './generic.ts';

// Entries of modules in /proc (fs/proc/generic.c, inode.c). A struct proc_dir_entry is opaque to modules: what they hold is the address of a block in
// which we keep the entry's operations as struct file_operations, so that its files open as those of any driver.

export interface ModuleProcEntry {
  /** Handle that the module has. */
  readonly addr: number;
  entry: ProcEntry;
  readonly data: number;
  /** For proc_create_single and proc_create_seq. */
  readonly show: number;
  readonly seqOps: number;
  readonly stateSize: number;
}
const NAME_MAX = 255;
/** The module's part of an entry; null for those of the kernel itself. */
function handleOf(k: Kernel, entry: unknown): ModuleProcEntry | null {
  const handle = (entry as ProcEntry | null)?.data as ModuleProcEntry | null | undefined;
  return handle != null && k.procfs.moduleEntries.get(handle.addr) === handle ? handle : null;
}
const word = (k: Kernel, at: number) => readKernel64(k, at) ?? 0;

const moduleProcOps: FileOperations = {
  open(k, inode, file) {
    const handle = handleOf(k, inode.data);
    if (handle === null) return -ENOENT;
    return openModuleFile(k, inode, file, { fops: handle.addr, privateData: 0, cdev: 0, inodePrivate: handle.data });
  },
};
/** Files whose entry went away while they were open. */
const removedOps: FileOperations = {
  read: () => -EIO,
  write: () => -EIO,
  llseek: () => -EINVAL,
};

/** Where `parent` is: /proc itself for NULL, /proc/net for init_net.proc_net. */
function directory(k: Kernel, parent: number): ProcEntry | null {
  if (parent === 0) return k.procfs.root;
  if (parent === readKernel64(k, symbolAddress(k, 'init_net') + NET.proc_net)) return k.procfs.net;
  return k.procfs.moduleEntries.get(parent)?.entry ?? null;
}
interface Spec {
  readonly mode: number;
  readonly data: number;
  readonly fill: (k: Kernel, fops: number) => void;
  readonly show?: number;
  readonly seqOps?: number;
  readonly stateSize?: number;
}
/** proc_register: the handle, 0 when it cannot be. */
function create(k: Kernel, path: string, parent: number, spec: Spec): number {
  let dir = directory(k, parent);
  if (dir === null) return 0;
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  for (const part of parts) {
    const next: ProcEntry | undefined = dir.children.get(part);
    if (next === undefined) {
      warnInExport(k, `name '${path}'`);
      return 0;
    }
    dir = next;
  }
  if (name === '' || name.length > NAME_MAX) {
    warnInExport(k, name === '' ? `name len 0` : `name len ${name.length}`);
    return 0;
  }
  if (dir === k.procfs.root && (name === '.' || name === '..')) {
    warnInExport(k, `invalid name ${name}`);
    return 0;
  }
  if (dir.children.has(name)) {
    warnInExport(k, `proc_dir_entry '${dir.name === '' ? '/proc' : dir.name}/${name}' already registered`);
    return 0;
  }
  const addr = kzalloc(k, FOPS.sizeof);
  if (addr === 0) return 0;
  spec.fill(k, addr);
  const handle: ModuleProcEntry = {
    addr,
    entry: dir,
    data: spec.data,
    show: spec.show ?? 0,
    seqOps: spec.seqOps ?? 0,
    stateSize: spec.stateSize ?? 0,
  };
  const isDir = (spec.mode & S_IFMT) === S_IFDIR;
  handle.entry = k.procfs.add(dir, name, spec.mode, isDir ? null : moduleProcOps, handle);
  k.procfs.moduleEntries.set(addr, handle);
  return addr;
}
/** Type and default permissions of a file (proc_create_reg). */
function fileMode(mode: number): number {
  const typed = (mode & S_IFMT) === 0 ? mode | S_IFREG : mode;
  return (typed & 0o777) === 0 ? typed | 0o444 : typed;
}
function fromProcOps(ops: number) {
  return (k: Kernel, fops: number): void => {
    const pairs: readonly (readonly [number, number])[] = [
      [FOPS.open, OPS.proc_open],
      [FOPS.read, OPS.proc_read],
      [FOPS.read_iter, OPS.proc_read_iter],
      [FOPS.write, OPS.proc_write],
      [FOPS.llseek, OPS.proc_lseek],
      [FOPS.release, OPS.proc_release],
      [FOPS.poll, OPS.proc_poll],
      [FOPS.unlocked_ioctl, OPS.proc_ioctl],
      [FOPS.mmap, OPS.proc_mmap],
    ];
    for (const [to, from] of pairs) writeKernel64(k, fops + to, word(k, ops + from));
  };
}
/** The operations of proc_create_seq and proc_create_single. */
function seqFill(open: string, release: string) {
  return (k: Kernel, fops: number): void => {
    writeKernel64(k, fops + FOPS.open, symbolAddress(k, open));
    writeKernel64(k, fops + FOPS.read_iter, symbolAddress(k, 'seq_read_iter'));
    writeKernel64(k, fops + FOPS.llseek, symbolAddress(k, 'seq_lseek'));
    writeKernel64(k, fops + FOPS.release, symbolAddress(k, release));
  };
}
const handleOfFile = (k: Kernel, file: number) => {
  const open = k.drivers.moduleFiles.get(file);
  return open === undefined ? null : handleOf(k, open.inode.data);
};

/** proc_entry_rundown of an entry and all below: open files get their release function now, and are dead from then on. */
function removeSteps(k: Kernel, entry: ProcEntry): Step[] {
  const steps: Step[] = [];
  const visit = (e: ProcEntry) => {
    for (const child of e.children.values()) visit(child);
    for (const [addr, file] of k.drivers.moduleFiles) {
      if (file.inode.data !== e) continue;
      steps.push({ call: fileOperation(k, file, FOPS.release), args: [moduleFile(file).inode, addr] }, { act: 'proc_file_dead', data: { file: addr } });
    }
    const handle = handleOf(k, e);
    if (handle !== null) steps.push({ act: 'proc_entry_gone', data: { pde: handle.addr } });
  };
  k.procfs.detach(entry);
  visit(entry);
  return steps;
}
stepAction('proc_file_dead', (k, data) => {
  const file = k.drivers.moduleFiles.get(data['file'] as number);
  if (file === undefined) return;
  writeKernel64(k, moduleFile(file).addr + FILE.f_op, 0); // f_op: nothing is released a second time
  (file as { op: FileOperations }).op = { ...removedOps, ...(file.op.release === undefined ? {} : { release: file.op.release }) };
});
stepAction('proc_entry_gone', (k, data) => {
  const pde = data['pde'] as number;
  k.procfs.moduleEntries.delete(pde);
  kfree(k, pde);
});
function removeNamed(k: Kernel, name: string, parent: number, subtree: boolean): Step[] {
  let entry: ProcEntry | undefined = directory(k, parent) ?? undefined;
  for (const part of name.split('/')) entry = entry?.children.get(part);
  if (entry === undefined) {
    warnInExport(k, `name '${name}'`);
    return [];
  }
  if (!subtree && entry.children.size > 0)
    warnInExport(k, `remove_proc_entry: removing non-empty directory '${entry.parent?.name ?? ''}/${entry.name}', leaking at least '${[...entry.children.keys()][0]}'`);
  return removeSteps(k, entry);
}

export const procExports: readonly FunctionExport[] = [
  internal('proc_single_open', (k, _inode, file) => {
    const handle = handleOfFile(k, file);
    return handle === null ? -EINVAL : singleOpen(k, file, handle.show, handle.data);
  }),
  internal('proc_seq_open', (k, _inode, file) => {
    const handle = handleOfFile(k, file);
    if (handle === null) return -EINVAL;
    if (handle.stateSize === 0) return seqOpen(k, file, handle.seqOps);
    return seqOpenPrivate(k, file, handle.seqOps, handle.stateSize) === 0 ? -ENOMEM : 0;
  }),
  fn('proc_create', (k, name, mode, parent, ops) => create(k, text(k, name, 4096), parent, { mode: fileMode(mode), data: 0, fill: fromProcOps(ops) })),
  fn('proc_create_data', (k, name, mode, parent, ops, data) =>
    create(k, text(k, name, 4096), parent, { mode: fileMode(mode), data, fill: fromProcOps(ops) }),
  ),
  fn('proc_create_single_data', (k, name, mode, parent, show, data) =>
    create(k, text(k, name, 4096), parent, { mode: fileMode(mode), data, show, fill: seqFill('proc_single_open', 'single_release') }),
  ),
  fn('proc_create_seq_private', (k, name, mode, parent, seqOps, stateSize) =>
    create(k, text(k, name, 4096), parent, {
      mode: fileMode(mode),
      data: k.machine.regs.get(16),
      seqOps,
      stateSize: stateSize >>> 0,
      fill: seqFill('proc_seq_open', stateSize === 0 ? 'seq_release' : 'seq_release_private'),
    }),
  ),
  // seq_open_net: the private data begins with the namespace.
  internal('proc_net_seq_open', (k, _inode, file) => {
    const handle = handleOfFile(k, file);
    if (handle === null) return -EINVAL;
    const data = seqOpenPrivate(k, file, handle.seqOps, Math.max(handle.stateSize, 8));
    if (data === 0) return -ENOMEM;
    writeKernel64(k, data, symbolAddress(k, 'init_net'));
    return 0;
  }),
  internal('proc_net_single_open', (k, _inode, file) => {
    const handle = handleOfFile(k, file);
    return handle === null ? -EINVAL : singleOpen(k, file, handle.show, symbolAddress(k, 'init_net'));
  }),
  fn('proc_create_net_data', (k, name, mode, parent, seqOps, stateSize) =>
    create(k, text(k, name, 4096), parent, {
      mode: fileMode(mode),
      data: k.machine.regs.get(16),
      seqOps,
      stateSize: stateSize >>> 0,
      fill: seqFill('proc_net_seq_open', 'seq_release_private'),
    }),
  ),
  fn('proc_create_net_single', (k, name, mode, parent, show, data) =>
    create(k, text(k, name, 4096), parent, { mode: fileMode(mode), data, show, fill: seqFill('proc_net_single_open', 'single_release') }),
  ),
  ...(['proc_mkdir', 'proc_mkdir_mode', 'proc_mkdir_data'] as const).map((variant) =>
    fn(variant, (k, name, a1, a2, a3) => {
      const [mode, parent, data] = variant === 'proc_mkdir' ? [0, a1, 0] : variant === 'proc_mkdir_mode' ? [a1, a2, 0] : [a1, a2, a3];
      return create(k, text(k, name, 4096), parent, { mode: S_IFDIR | ((mode & 0o7777) || 0o555), data, fill: () => {} });
    }),
  ),
  fn('proc_remove', (k, pde) =>
    runSteps(k, () => {
      const handle = k.procfs.moduleEntries.get(pde);
      return handle === undefined ? 0 : removeSteps(k, handle.entry);
    }),
  ),
  fn('remove_proc_entry', (k, name, parent) => runSteps(k, () => removeNamed(k, text(k, name, 4096), parent, false))),
  fn('remove_proc_subtree', (k, name, parent) => runSteps(k, () => removeNamed(k, text(k, name, 4096), parent, true))),
  fn('proc_set_user', (k, pde, uid, gid) => {
    const handle = k.procfs.moduleEntries.get(pde);
    if (handle === undefined) return;
    handle.entry.uid = uid >>> 0;
    handle.entry.gid = gid >>> 0;
  }),
  fn('proc_set_size', (k, pde, bytes) => {
    const handle = k.procfs.moduleEntries.get(pde);
    if (handle !== undefined) handle.entry.size = bytes;
  }),
  fn('proc_get_parent_data', (k, inode) => {
    for (const [known, guest] of k.drivers.guestInodes) {
      if (guest.addr !== inode) continue;
      return handleOf(k, (known.data as ProcEntry | null)?.parent)?.data ?? 0;
    }
    return 0;
  }),
];
