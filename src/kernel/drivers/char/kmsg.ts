import { EAGAIN, EINVAL, EPIPE, ESPIPE } from '../../../abi/errno.ts';
import { O_NONBLOCK, POLLIN, POLLRDNORM } from '../../../abi/fs.ts';
import type { File, FileOperations } from '../../fs/types.ts';
import type { Kernel } from '../../kernel.ts';
import { bytesOf, stringOf } from '../../lib/bytes.ts';
import { waitInterruptible } from '../../sched/wait.ts';

// /dev/kmsg (kernel/printk/printk.c; Documentation/ABI/testing/dev-kmsg): one record a read, one message a write.

/** LOG_LINE_MAX: longer messages are refused. */
const LINE_MAX = 1024;
const DEFAULT_LEVEL = 4;

/** Position of a reader: sequence number of its next record. */
interface KmsgReader {
  seq: number;
}
const readerOf = (file: File) => file.data as KmsgReader;
const firstSeq = (k: Kernel) => k.printk.records[0]?.seq ?? 0;
const nextSeq = (k: Kernel) => {
  const last = k.printk.records[k.printk.records.length - 1];
  return last === undefined ? 0 : last.seq + 1;
};

/** Unprintable bytes and backslashes as \xNN. */
function escapeText(text: string): string {
  let out = '';
  for (const c of text) {
    const n = c.charCodeAt(0);
    out += n < 32 || n >= 127 || c === '\\' ? `\\x${n.toString(16).padStart(2, '0')}` : c;
  }
  return out;
}

export const kmsgOps: FileOperations = {
  open(k, _inode, file) {
    file.data = { seq: firstSeq(k) } satisfies KmsgReader;
    return 0;
  },
  read(k, file, iter) {
    const reader = readerOf(file);
    if (reader.seq < firstSeq(k)) {
      // Records were overwritten: say so once, go on with the oldest.
      reader.seq = firstSeq(k);
      return -EPIPE;
    }
    const record = k.printk.records[reader.seq - firstSeq(k)];
    if (record === undefined) return (file.flags & O_NONBLOCK) !== 0 ? -EAGAIN : waitInterruptible(k, k.printk.wait);
    const line = bytesOf(`${record.level},${record.seq},${Math.floor(record.time / 1000)},-;${escapeText(record.text)}\n`);
    if (line.length > iter.count) return -EINVAL;
    reader.seq++;
    return iter.copyTo(k, line);
  },
  write(k, _file, iter) {
    if (iter.count > LINE_MAX) return -EINVAL;
    const bytes = iter.copyFrom(k, iter.count);
    if (typeof bytes === 'number') return bytes;
    const text = stringOf(bytes);
    const m = /^<(\d{1,6})>/.exec(text);
    const level = m === null ? DEFAULT_LEVEL : Number(m[1]) & 7;
    k.printk.log(level, (m === null ? text : text.slice(m[0].length)).replace(/\n$/, ''));
    return bytes.length;
  },
  llseek(k, file, offset, whence) {
    if (offset !== 0) return -ESPIPE;
    if (whence === 0) readerOf(file).seq = firstSeq(k);
    else if (whence === 2) readerOf(file).seq = nextSeq(k);
    else if (whence !== 3) return -EINVAL;
    return 0;
  },
  poll(k, file, table) {
    table?.add(k.printk.wait);
    return readerOf(file).seq < nextSeq(k) ? POLLIN | POLLRDNORM : 0;
  },
};
