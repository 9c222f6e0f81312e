import { EAGAIN, EFAULT, EINVAL, EPERM, EPIPE, ESPIPE } from '../../../abi/errno.ts';
import { O_ACCMODE, O_NONBLOCK, O_WRONLY, POLLERR, POLLIN, POLLPRI, POLLRDNORM } from '../../../abi/fs.ts';
import { LOG_USER, RECORD_MAX, SYSLOG_ACTION_READ_ALL } from '../../../abi/syslog.ts';
import type { File, FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf, cstringOf } from '../../lib/bytes.ts';
import { RATELIMIT_MSG_ON_RELEASE, ratelimit, ratelimitExit, type RatelimitState, ratelimitInit } from '../../lib/ratelimit.ts';
import { extendedText } from '../../printk/format.ts';
import { checkSyslogPermissions } from '../../printk/syslog.ts';
import { waitInterruptible } from '../../sched/wait.ts';

// /dev/kmsg (kernel/printk/printk.c, devkmsg_*; Documentation/ABI/testing/dev-kmsg): one record a read, one message a write.

/** An open file: the sequence number of its next record, and how much it may still write. */
interface KmsgUser {
  seq: number;
  readonly limit: RatelimitState;
}
const userOf = (file: File) => file.data as KmsgUser;
const SEEK_SET = 0;
const SEEK_END = 2;
const SEEK_DATA = 3;

/** The message of a write: "<N>text" with the priority in decimal; a user cannot be the kernel. */
function parseMessage(k: Kernel, line: string): { facility: number; level: number; text: string } {
  const m = /^<(\d*)>/.exec(line);
  if (m === null) return { facility: LOG_USER, level: k.printk.options.defaultMessageLevel, text: line };
  const priority = Number(BigInt.asUintN(32, BigInt(m[1] === '' ? 0 : m[1])));
  return { facility: (priority >>> 3) & 0xff || LOG_USER, level: priority & 7, text: line.slice(m[0].length) };
}

export const kmsgOps: FileOperations = {
  open(k, _inode, file) {
    if (k.printk.options.devkmsg === 'off') return -EPERM;
    if ((file.flags & O_ACCMODE) !== O_WRONLY) {
      const error = checkSyslogPermissions(k, SYSLOG_ACTION_READ_ALL, 'call');
      if (error < 0) return error;
    }
    file.data = { seq: k.printk.ring.firstSeq, limit: ratelimitInit(RATELIMIT_MSG_ON_RELEASE) } satisfies KmsgUser;
    return 0;
  },
  release(k, file) {
    ratelimitExit(k, userOf(file).limit, `printk: ${k.current.comm}`);
  },
  read(k, file, iter) {
    const user = userOf(file);
    const record = k.printk.ring.read(user.seq);
    if (record === null) return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, k.printk.wait);
    if (record.seq !== user.seq) {
      // Records were overwritten: say so once, go on with the oldest.
      user.seq = record.seq;
      return -EPIPE;
    }
    user.seq++;
    const line = bytesOf(extendedText(record));
    if (line.length > iter.count) return -EINVAL;
    return iter.copyTo(k, line) === line.length ? line.length : -EFAULT;
  },
  write(k, file, iter) {
    const { count } = iter;
    const { devkmsg } = k.printk.options;
    if (count > RECORD_MAX) return -EINVAL;
    if (devkmsg === 'off') return count;
    if (devkmsg === 'ratelimit' && !ratelimit(k, userOf(file).limit, k.current.comm)) return count;
    const bytes = iter.copyFrom(k, count);
    if (typeof bytes === 'number' || bytes.length < count) return -EFAULT;
    const { facility, level, text } = parseMessage(k, cstringOf(bytes));
    k.printk.emit(facility, level, text);
    return count;
  },
  llseek(k, file, offset, whence) {
    const { ring, clearSeq } = k.printk;
    if (offset !== 0) return -ESPIPE;
    if (whence === SEEK_SET) userOf(file).seq = ring.firstSeq;
    else if (whence === SEEK_DATA) userOf(file).seq = clearSeq;
    else if (whence === SEEK_END) userOf(file).seq = ring.nextSeq;
    else return -EINVAL;
    return 0;
  },
  poll(k, file, table) {
    table?.add(k.printk.wait);
    const { seq } = userOf(file);
    const record = k.printk.ring.read(seq);
    if (record === null) return 0;
    return POLLIN | POLLRDNORM | (record.seq === seq ? 0 : POLLERR | POLLPRI);
  },
};
