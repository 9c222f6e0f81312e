import { EACCES, EAGAIN, EBUSY, EINVAL, ENOENT, EOPNOTSUPP, ERANGE, ESRCH } from '../../abi/errno.ts';
import { SI_KERNEL, SIGKILL } from '../../abi/signal.ts';
import type { File, FileOperations } from '../fs/types.ts';
import { type Attribute, Kernfs, type KernfsNode, kernfsCheckOpen, kernfsInode } from '../fs/sysfs/kernfs.ts';
import type { Kernel } from '../kernel.ts';
import { seqLseek, seqRead, seqWrite } from '../lib/seq_file.ts';
import { findTaskByVpid } from '../pid.ts';
import { pidNrNs } from '../pid_namespace.ts';
import { sendSignalTo } from '../signal.ts';
import { MemCgroup, memcgOffline, memcgOnline } from '../mm/memcontrol.ts';
import { Cgroup, cgroupFreeze, cgroupMayHost, cgroupMove, cgroupPath, CONTROLLERS, type Controller, tasksOf } from './cgroup.ts';
import { MEMORY_FILES, MEMORY_ROOT_FILES } from './memory_files.ts';

// The file system cgroup2: a directory for each group, made and removed by mkdir(2) and rmdir(2) (Documentation/admin-guide/cgroup-v2.rst).

const CGROUP2_SUPER_MAGIC = 0x63677270;
/** cgroup.max.* and pids.max: none. */
const NO_LIMIT = Number.POSITIVE_INFINITY;
const PID_MAX_LIMIT = 4_194_304;

const cgOf = (node: KernfsNode) => node.data as Cgroup;
const limitText = (n: number) => (n === NO_LIMIT ? 'max\n' : `${n}\n`);
/** A number or `max`; null for anything else. */
function limitOf(text: string): number | null {
  const word = text.trim();
  if (word === 'max') return NO_LIMIT;
  return /^\+?\d+$/.test(word) ? Number(word) : null;
}

// --- who is in it ---

/** One line for each process, or each thread, as the reader numbers them. */
function listTasks(k: Kernel, cg: Cgroup, threads: boolean): string {
  const seen = new Set<number>();
  for (const t of tasksOf(k, cg, false)) {
    const nr = pidNrNs(threads ? t.pid : t.tgid, k.current.pidNs);
    seen.add(nr);
  }
  return [...seen].map((nr) => `${nr}\n`).join('');
}
/** A pid that is written moves that process, or thread (cgroup_procs_write). */
function writeTasks(k: Kernel, cg: Cgroup, text: string, threads: boolean): number {
  const word = text.trim();
  if (!/^\d+$/.test(word)) return -EINVAL;
  const pid = Number(word);
  const task = pid === 0 ? k.current : findTaskByVpid(k, pid);
  if (task === undefined || task.exitState !== 0) return -ESRCH;
  // kthreadd's children inherit its group: they and it stay where they are.
  if (task.isKernelThread) return -EINVAL;
  const moving = threads ? [task] : task.groupLeader.threads;
  if (threads && task.cgroup !== cg) return -EOPNOTSUPP;
  const allowed = mayMove(k, task.cgroup, cg);
  if (allowed < 0) return allowed;
  const host = cgroupMayHost(cg);
  if (host < 0) return host;
  cgroupMove(k, moving, cg);
  return 0;
}
/** The mover must be able to write cgroup.procs of the group that both lie in (cgroup_procs_write_permission). */
function mayMove(k: Kernel, from: Cgroup, to: Cgroup): number {
  if (k.current.cred.euid === 0) return 0;
  const above = new Set<Cgroup>();
  for (let at: Cgroup | null = from; at !== null; at = at.parent) above.add(at);
  let common: Cgroup = to;
  while (!above.has(common) && common.parent !== null) common = common.parent;
  const procs = common.node?.children.get('cgroup.procs');
  return procs !== undefined && kernfsInode(k, procs).uid === k.current.cred.euid ? 0 : -EACCES;
}
const taskFile = (threads: boolean): FileOperations => ({
  open: kernfsCheckOpen,
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, (kk, f: File) => listTasks(kk, cgOf(f.inode.data as KernfsNode), threads)),
  write: (k, file, iter) => seqWrite(k, file, iter, (kk, f: File, text) => writeTasks(kk, cgOf(f.inode.data as KernfsNode), text, threads)),
  llseek: seqLseek,
});
const procsOps = taskFile(false);
const threadsOps = taskFile(true);

// --- controllers ---

/** What the parent gives its children. */
const has = (cg: Cgroup, c: Controller) => cg.parent === null || cg.parent.subtree.has(c);
const words = (list: readonly Controller[]) => `${list.join(' ')}\n`;
/** `+memory`, `-pids` (cgroup_subtree_control_write). */
function writeSubtree(k: Kernel, node: KernfsNode, text: string): number {
  const cg = cgOf(node);
  const wanted = new Set(cg.subtree);
  for (const word of text.trim().split(/\s+/)) {
    if (word === '') continue;
    const name = CONTROLLERS.find((c) => c === word.slice(1));
    if (name === undefined || (word[0] !== '+' && word[0] !== '-')) return -EINVAL;
    if (word[0] === '+') wanted.add(name);
    else wanted.delete(name);
  }
  const on = CONTROLLERS.filter((c) => wanted.has(c) && !cg.subtree.has(c));
  const off = CONTROLLERS.filter((c) => !wanted.has(c) && cg.subtree.has(c));
  if (on.some((c) => !has(cg, c))) return -ENOENT;
  if (off.some((c) => [...cg.children.values()].some((child) => child.subtree.has(c)))) return -EBUSY;
  // Groups and tasks side by side cannot share memory out (cgroup_vet_subtree_control_enable).
  if (on.includes('memory') && cg.parent !== null && cg.alive > 0) return -EBUSY;
  for (const c of off) cg.subtree.delete(c);
  for (const c of on) cg.subtree.add(c);
  for (const child of cg.children.values()) {
    for (const c of on) enable(k, child, c);
    for (const c of off) disable(k, child, c);
  }
  return 0;
}
/** A group gets a controller from the one above. */
function enable(k: Kernel, cg: Cgroup, c: Controller): void {
  if (c === 'memory') setMemcg(cg, cg.mem, memcgOnline(k, cg.mem, cgroupPath(cg, k.cgroups.root)));
  for (const [name, mode, attr] of c === 'memory' ? MEMORY_FILES : PIDS_FILES) k.cgroups.fs.createFile(cg.node as KernfsNode, name, mode, attr, cg);
}
function disable(k: Kernel, cg: Cgroup, c: Controller): void {
  if (c === 'pids') cg.pidsMax = NO_LIMIT;
  for (const [name] of c === 'memory' ? MEMORY_FILES : PIDS_FILES) {
    const file = cg.node?.children.get(name);
    if (file !== undefined) k.cgroups.fs.remove(file);
  }
  if (c !== 'memory') return;
  const own = cg.mem;
  setMemcg(cg, own, (cg.parent as Cgroup).mem);
  memcgOffline(k, own);
}
/** Groups below that have no controller of their own use the next one above. */
function setMemcg(cg: Cgroup, old: MemCgroup, mem: MemCgroup): void {
  if (cg.mem !== old) return;
  cg.mem = mem;
  for (const child of cg.children.values()) setMemcg(child, old, mem);
}

const PIDS_FILES: readonly (readonly [name: string, mode: number, attr: Attribute])[] = [
  [
    'pids.max',
    0o644,
    {
      show: (_k, n) => limitText(cgOf(n).pidsMax),
      store(_k, n, text) {
        const limit = limitOf(text);
        if (limit === null || (limit !== NO_LIMIT && limit >= PID_MAX_LIMIT)) return -EINVAL;
        cgOf(n).pidsMax = limit;
        return 0;
      },
    },
  ],
  ['pids.current', 0o444, { show: (_k, n) => `${cgOf(n).pids}\n` }],
  ['pids.peak', 0o444, { show: (_k, n) => `${cgOf(n).pidsPeak}\n` }],
  ['pids.events', 0o444, { show: (_k, n) => `max ${cgOf(n).pidsEvents}\n` }],
  ['pids.events.local', 0o444, { show: (_k, n) => `max ${cgOf(n).pidsEventsLocal}\n` }],
];

// --- the files that every group has ---

function limitFile(which: 'maxDepth' | 'maxDescendants'): Attribute {
  return {
    show: (_k, n) => limitText(cgOf(n)[which]),
    store(_k, n, text) {
      const limit = limitOf(text);
      if (limit === null) return /^-\d+$/.test(text.trim()) ? -ERANGE : -EINVAL;
      cgOf(n)[which] = limit;
      return 0;
    },
  };
}
/** A word that must be 0 or 1, or a negative errno. */
function switchOf(text: string): number {
  const word = text.trim();
  if (!/^[+-]?\d+$/.test(word)) return -EINVAL;
  return word === '0' || word === '1' ? Number(word) : -ERANGE;
}
const EVERYWHERE: readonly (readonly [name: string, mode: number, attr: Attribute | null, fop?: FileOperations])[] = [
  ['cgroup.procs', 0o644, { show: () => '', store: () => 0 }, procsOps],
  ['cgroup.threads', 0o644, { show: () => '', store: () => 0 }, threadsOps],
  ['cgroup.controllers', 0o444, { show: (_k, n) => words(CONTROLLERS.filter((c) => has(cgOf(n), c))) }],
  ['cgroup.subtree_control', 0o644, { show: (_k, n) => words(CONTROLLERS.filter((c) => cgOf(n).subtree.has(c))), store: writeSubtree }],
  ['cgroup.max.descendants', 0o644, limitFile('maxDescendants')],
  ['cgroup.max.depth', 0o644, limitFile('maxDepth')],
  [
    'cgroup.stat',
    0o444,
    {
      show(_k, n) {
        const cg = cgOf(n);
        const count = (c: Controller) => (cg.subtree.has(c) ? descendantsWith(cg, c) : 0) + (has(cg, c) ? 1 : 0);
        const dying = cg.mem.sum((m) => (m.online ? 0 : 1));
        return (
          `nr_descendants ${cg.descendants}\n${CONTROLLERS.map((c) => `nr_subsys_${c} ${count(c)}\n`).join('')}` +
          `nr_dying_descendants ${dying}\n${CONTROLLERS.map((c) => `nr_dying_subsys_${c} ${c === 'memory' ? dying : 0}\n`).join('')}`
        );
      },
    },
  ],
];
function descendantsWith(cg: Cgroup, which: Controller): number {
  let n = 0;
  for (const c of cg.children.values()) n += 1 + (c.subtree.has(which) ? descendantsWith(c, which) : 0);
  return n;
}
const BELOW_THE_ROOT: typeof EVERYWHERE = [
  ['cgroup.type', 0o644, { show: () => 'domain\n', store: (_k, _n, text) => (text.trim() === 'threaded' ? -EOPNOTSUPP : -EINVAL) }],
  ['cgroup.events', 0o444, { show: (_k, n) => `populated ${cgOf(n).populated ? 1 : 0}\nfrozen ${cgOf(n).frozen ? 1 : 0}\n` }],
  [
    'cgroup.freeze',
    0o644,
    {
      show: (_k, n) => (cgOf(n).freeze ? '1\n' : '0\n'),
      store(k, n, text) {
        const on = switchOf(text);
        if (on < 0) return on;
        cgroupFreeze(k, cgOf(n), on === 1);
        return 0;
      },
    },
  ],
  [
    'cgroup.kill',
    0o200,
    {
      store(k, n, text) {
        const on = switchOf(text);
        if (on !== 1) return on < 0 ? on : -ERANGE;
        for (const t of tasksOf(k, cgOf(n), true))
          if (t.isLeader && !t.isKernelThread) sendSignalTo(k, t, { signo: SIGKILL, code: SI_KERNEL, pid: 0, uid: 0 }, true);
        return 0;
      },
    },
  ],
];
function addFiles(k: Kernel, cg: Cgroup): void {
  const dir = cg.node as KernfsNode;
  for (const [name, mode, attr, fop] of cg.parent === null ? EVERYWHERE : [...EVERYWHERE, ...BELOW_THE_ROOT])
    k.cgroups.fs.createFile(dir, name, mode, attr, cg, fop ?? null);
  if (cg.parent === null) for (const [name, mode, attr] of MEMORY_ROOT_FILES) k.cgroups.fs.createFile(dir, name, mode, attr, cg);
  else for (const c of CONTROLLERS) if (cg.parent.subtree.has(c)) enable(k, cg, c);
}

// --- directories ---

function mkdir(k: Kernel, parent: KernfsNode, name: string): KernfsNode | number {
  const above = cgOf(parent);
  if (name.includes('\n')) return -EINVAL;
  for (let at: Cgroup | null = above, depth = 1; at !== null; at = at.parent, depth++)
    if (at.descendants >= at.maxDescendants || depth > at.maxDepth) return -EAGAIN;
  const cg = new Cgroup(above, name, above.mem);
  const node = k.cgroups.fs.mkdir(parent, name, 0o755, cg);
  if (typeof node === 'number') return node;
  cg.node = node;
  above.children.set(name, cg);
  addFiles(k, cg);
  return node;
}
function rmdir(k: Kernel, node: KernfsNode): number {
  const cg = cgOf(node);
  if (cg.populated || cg.children.size > 0) return -EBUSY;
  for (const c of CONTROLLERS) if (has(cg, c)) disable(k, cg, c);
  cg.dead = true;
  cg.parent?.children.delete(cg.name);
  k.cgroups.fs.remove(node);
  return 0;
}

/** All groups of the system. */
export class Cgroups {
  readonly root = new Cgroup(null, '', new MemCgroup(0, null, '/'));
  readonly fs = new Kernfs();
}
/** cgroup_init: the file system, and its place in /sys. */
export function cgroupInit(k: Kernel): void {
  const { root, fs } = k.cgroups;
  fs.sb = k.vfs.newSuperBlock('cgroup2', CGROUP2_SUPER_MAGIC, true);
  fs.dirOps = { mkdir, rmdir };
  fs.checksOpen = false;
  fs.root.data = root;
  root.node = fs.root;
  addFiles(k, root);
  k.vfs.makeRoot(fs.sb, kernfsInode(k, fs.root));
  k.vfs.register({ name: 'cgroup2', nodev: true, mount: (kk) => kk.cgroups.fs.sb });
}
/** The group whose directory `file` is, or null. */
export function cgroupOfFile(k: Kernel, file: File): Cgroup | null {
  const node = file.inode.data as KernfsNode | null;
  return file.inode.sb === k.cgroups.fs.sb && node !== null && node.attr === null && node.fop === null ? cgOf(node) : null;
}
