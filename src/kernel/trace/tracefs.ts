import { EAGAIN, EBUSY, EFAULT, EINVAL, ENOSYS } from '../../abi/errno.ts';
import { O_NONBLOCK, POLLIN, POLLRDNORM, S_IFDIR, S_IFREG } from '../../abi/fs.ts';
import { debugDir } from '../fs/debugfs/debugfs.ts';
import { addDentry } from '../fs/namei.ts';
import { type TextFile, textFileOps } from '../fs/text_file.ts';
import type { Dentry, FileOperations, InodeOperations, SuperBlock } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { kstrtoUnsigned } from '../lib/kstrtox.ts';
import { lockedDown } from '../security/lockdown.ts';
import { waitInterruptible } from '../sched/wait.ts';
import { showTrace, traceReset, traceTake, traceWrite } from './trace.ts';

// The file system of traces (fs/tracefs, kernel/trace/trace.c).

const TRACEFS_MAGIC = 0x7472_6163;
/** TRACE_BUF_SIZE less the head of a marker's entry. */
const MARKER_MAX = 1024;

/** trace_pipe: waits for entries and takes them out. One reader at a time. */
const pipeOps: FileOperations = {
  open(k) {
    const locked = lockedDown(k, 'tracefs');
    if (locked < 0) return locked;
    if (k.trace.readers > 0) return -EBUSY;
    k.trace.readers++;
    return 0;
  },
  release(k) {
    k.trace.readers--;
  },
  read(k, file, iter) {
    const { trace } = k;
    // What did not fit the last read comes first.
    while (trace.pipeRest.length < iter.count && trace.entries.length > 0) trace.pipeRest += traceTake(k);
    if (trace.pipeRest === '') return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, trace.wait);
    const bytes = bytesOf(trace.pipeRest.slice(0, iter.count));
    trace.pipeRest = trace.pipeRest.slice(bytes.length);
    return iter.copyTo(k, bytes) === bytes.length ? bytes.length : -EFAULT;
  },
  poll(k, _file, table) {
    table?.add(k.trace.wait);
    return k.trace.entries.length > 0 ? POLLIN | POLLRDNORM : 0;
  },
};
const traceTextOps: FileOperations = {
  ...textFileOps,
  open: (k, inode, file) => lockedDown(k, 'tracefs') || (textFileOps.open?.(k, inode, file) ?? 0),
};
const files: readonly (readonly [string, number, TextFile | FileOperations])[] = [
  ['trace', 0o640, { show: showTrace, store: () => 0, truncate: traceReset } satisfies TextFile],
  ['trace_pipe', 0o440, pipeOps],
  [
    'tracing_on',
    0o640,
    {
      show: (k) => (k.trace.on ? '1\n' : '0\n'),
      store(k, text) {
        const n = kstrtoUnsigned(text, 10, 64);
        if (typeof n === 'number') return n;
        k.trace.on = n !== 0n;
        return 0;
      },
    } satisfies TextFile,
  ],
  [
    'trace_marker',
    0o220,
    {
      store(k, text) {
        if (text === '') return 0;
        const cut = text.slice(0, MARKER_MAX);
        traceWrite(k, 0, cut.endsWith('\n') ? cut : `${cut}\n`);
        return cut.length;
      },
    } satisfies TextFile,
  ],
  ['available_tracers', 0o440, { show: () => 'nop\n' } satisfies TextFile],
  ['current_tracer', 0o640, { show: () => 'nop\n', store: (_k, text) => (text.trim() === 'nop' ? 0 : -EINVAL) } satisfies TextFile],
  [
    'trace_clock',
    0o640,
    { show: () => '[local] global counter uptime perf mono mono_raw boot tai\n', store: (_k, text) => (text.trim() === 'local' ? 0 : -ENOSYS) } satisfies TextFile,
  ],
];
const inodeOps: InodeOperations = { setattr: () => 0 };
function populate(k: Kernel, sb: SuperBlock, dir: Dentry): void {
  for (const [name, mode, file] of files) {
    const text = file !== pipeOps;
    const inode = k.vfs.newInode(sb, S_IFREG | mode, inodeOps, text ? traceTextOps : pipeOps);
    addDentry(dir, name, { ...inode, data: text ? file : null, size: 0 });
  }
}
export function tracefsInit(k: Kernel): void {
  const sb = k.vfs.newSuperBlock('tracefs', TRACEFS_MAGIC, false);
  k.vfs.makeRoot(sb, k.vfs.newInode(sb, S_IFDIR | 0o700, inodeOps, {}));
  populate(k, sb, sb.root);
  k.vfs.register({ name: 'tracefs', nodev: true, mount: () => sb });
  // Linux mounts it there when somebody goes in.
  populate(k, k.debugfs.sb, debugDir(k, 'tracing', 0o700));
}
