import { EFAULT, EINVAL, EPERM } from '../../abi/errno.ts';
import { CAP_SYSLOG } from '../../abi/sched.ts';
import * as S from '../../abi/syslog.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { copyToUser } from '../mm/uaccess.ts';
import { waitInterruptible } from '../sched/wait.ts';
import { recordText, recordTextSize } from './format.ts';

// syslog(2) and its other doors, /proc/kmsg and /dev/kmsg (kernel/printk/printk.c, do_syslog; man 2 syslog).

/** Through which door: files of procfs were checked when they were opened. */
export type SyslogSource = 'call' | 'proc';

/** 0 or -EPERM (check_syslog_permissions). */
export function checkSyslogPermissions(k: Kernel, type: number, source: SyslogSource): number {
  if (source === 'proc' && type !== S.SYSLOG_ACTION_OPEN) return 0;
  const open = type === S.SYSLOG_ACTION_READ_ALL || type === S.SYSLOG_ACTION_SIZE_BUFFER;
  return (open && k.printk.dmesgRestrict === 0) || k.current.capable(CAP_SYSLOG) ? 0 : -EPERM;
}

/** Where a reader's text goes. False: not all of it could be copied. */
export type Sink = (bytes: Uint8Array) => boolean;
/** Reads on from the common position of all readers of SYSLOG_ACTION_READ (syslog_print). */
export function syslogRead(k: Kernel, size: number, sink: Sink): number {
  const { printk } = k;
  const at = printk.syslog;
  if (printk.ring.read(at.seq) === null) return waitInterruptible(k, printk.wait);
  let done = 0;
  while (done < size) {
    const record = printk.ring.read(at.seq);
    if (record === null) break;
    if (record.seq !== at.seq) {
      at.seq = record.seq;
      at.partial = 0;
    }
    // A line that was begun goes on as it began, whatever was set in between.
    if (at.partial === 0) at.time = printk.options.time;
    const skip = at.partial;
    const text = recordText(record, true, at.time);
    const rest = text.length - skip;
    if (rest > size - done && done > 0) break;
    const n = Math.min(rest, size - done);
    if (n === rest) {
      at.seq = record.seq + 1;
      at.partial = 0;
    } else at.partial += n;
    if (!sink(bytesOf(text.slice(skip, skip + n)))) return done > 0 ? done : -EFAULT;
    done += n;
  }
  return done;
}
/** The last records that fit into the buffer (syslog_print_all). */
function readAll(k: Kernel, size: number, clear: boolean, sink: Sink): number {
  const { printk } = k;
  const { time } = printk.options;
  const records = printk.ring.records(printk.clearSeq);
  let total = 0;
  for (const r of records) total += recordTextSize(r, true, time);
  let first = 0;
  for (; total > size && first < records.length; first++) total -= recordTextSize(records[first], true, time);
  let done = 0;
  let next = printk.ring.nextSeq;
  for (const r of records.slice(first)) {
    const line = bytesOf(recordText(r, true, time));
    next = r.seq;
    if (done + line.length > size) break;
    if (!sink(line)) {
      done = -EFAULT;
      break;
    }
    done += line.length;
    next++;
  }
  if (clear) printk.clearSeq = next;
  return done;
}
/** Bytes that SYSLOG_ACTION_READ would give without waiting. */
function unread(k: Kernel): number {
  const { ring, syslog, options } = k.printk;
  if (ring.firstSeq > syslog.seq) {
    syslog.seq = ring.firstSeq;
    syslog.partial = 0;
  }
  let time = syslog.partial > 0 ? syslog.time : options.time;
  let bytes = -syslog.partial;
  for (const r of ring.records(syslog.seq)) {
    bytes += recordTextSize(r, true, time);
    time = options.time;
  }
  return bytes;
}
/** Is there anything for a reader of /proc/kmsg? */
export function syslogReadable(k: Kernel): boolean {
  return k.printk.ring.read(k.printk.syslog.seq) !== null;
}

export function syslog(k: Kernel, type: number, buf: number, length: number): number {
  const { printk } = k;
  const { options } = printk;
  const error = checkSyslogPermissions(k, type, 'call');
  if (error < 0) return error;
  const size = length | 0;
  let at = buf;
  const sink: Sink = (bytes) => {
    const whole = copyToUser(k, at, bytes) === 0;
    at += bytes.length;
    return whole;
  };
  switch (type | 0) {
    case S.SYSLOG_ACTION_CLOSE:
    case S.SYSLOG_ACTION_OPEN:
      return 0;
    case S.SYSLOG_ACTION_READ:
    case S.SYSLOG_ACTION_READ_ALL:
    case S.SYSLOG_ACTION_READ_CLEAR:
      if (buf === 0 || size < 0) return -EINVAL;
      if (size === 0) return 0;
      if (type === S.SYSLOG_ACTION_READ) return syslogRead(k, size, sink);
      return readAll(k, size, type === S.SYSLOG_ACTION_READ_CLEAR, sink);
    case S.SYSLOG_ACTION_CLEAR:
      printk.clearSeq = printk.ring.nextSeq;
      return 0;
    case S.SYSLOG_ACTION_CONSOLE_OFF:
      if (printk.savedConsoleLevel === S.LOGLEVEL_DEFAULT) printk.savedConsoleLevel = options.consoleLevel;
      options.consoleLevel = options.minimumConsoleLevel;
      return 0;
    case S.SYSLOG_ACTION_CONSOLE_ON:
      if (printk.savedConsoleLevel === S.LOGLEVEL_DEFAULT) return 0;
      options.consoleLevel = printk.savedConsoleLevel;
      printk.savedConsoleLevel = S.LOGLEVEL_DEFAULT;
      return 0;
    case S.SYSLOG_ACTION_CONSOLE_LEVEL:
      if (size < 1 || size > 8) return -EINVAL;
      options.consoleLevel = Math.max(size, options.minimumConsoleLevel);
      printk.savedConsoleLevel = S.LOGLEVEL_DEFAULT;
      return 0;
    case S.SYSLOG_ACTION_SIZE_UNREAD:
      return unread(k);
    case S.SYSLOG_ACTION_SIZE_BUFFER:
      return printk.ring.size;
    default:
      return -EINVAL;
  }
}
