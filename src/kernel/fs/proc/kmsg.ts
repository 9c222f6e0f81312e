import { EAGAIN } from '../../../abi/errno.ts';
import { O_NONBLOCK, POLLIN, POLLRDNORM } from '../../../abi/fs.ts';
import { SYSLOG_ACTION_OPEN } from '../../../abi/syslog.ts';
import { seqLseek } from '../../lib/seq_file.ts';
import type { Kernel } from '../../kernel.ts';
import { checkSyslogPermissions, syslogRead, syslogReadable } from '../../printk/syslog.ts';
import type { FileOperations } from '../types.ts';

// /proc/kmsg (fs/proc/kmsg.c): SYSLOG_ACTION_READ as a file.

const kmsgOps: FileOperations = {
  open: (k) => checkSyslogPermissions(k, SYSLOG_ACTION_OPEN, 'proc'),
  read(k, file, iter) {
    if ((file.flags & O_NONBLOCK) !== 0 && !syslogReadable(k)) return -EAGAIN;
    return iter.count === 0 ? 0 : syslogRead(k, iter.count, (bytes) => iter.copyTo(k, bytes) === bytes.length);
  },
  llseek: seqLseek,
  poll(k, _file, table) {
    table?.add(k.printk.wait);
    return syslogReadable(k) ? POLLIN | POLLRDNORM : 0;
  },
};

export function procKmsgInit(k: Kernel): void {
  k.procfs.create('kmsg', null, { mode: 0o400, fop: kmsgOps });
}
