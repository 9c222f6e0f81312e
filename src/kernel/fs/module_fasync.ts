import { fasync_struct as FA, file as FILE } from '../../abi/layout/structs.ts';
import { ENOMEM } from '../../abi/errno.ts';
import { O_ASYNC } from '../../abi/fs.ts';
import { SIGURG } from '../../abi/signal.ts';
import type { Kernel } from '../kernel.ts';
import { load32, load64, store32, store64 } from '../lib/guest_memory.ts';
import { type FunctionExport, fn } from '../module/export.ts';
import { sendSigio } from './fasync.ts';
import { kfree, kzalloc } from './module_file.ts';

// fasync_helper and kill_fasync (fs/fcntl.c): a driver's list of the files that want a signal, in guest memory.

const FASYNC_MAGIC = 0x4601;
/** Longest list that is followed: a ring in it would never end. */
const LIST_MAX = 65_536;

/** fasync_helper(fd, file, on, list): 1 when something changed, 0 when not, -ENOMEM. */
function helper(k: Kernel, fd: number, file: number, on: number, list: number): number {
  const flags = load32(k, file + FILE.f_flags);
  let slot = list;
  for (let i = 0; i < LIST_MAX; i++) {
    const entry = load64(k, slot);
    if (entry === 0 || k.current.faulted) break;
    if (load64(k, entry + FA.fa_file) === file) {
      if (on !== 0) {
        store32(k, entry + FA.fa_fd, fd);
        return 0;
      }
      store32(k, file + FILE.f_flags, flags & ~O_ASYNC);
      store64(k, slot, load64(k, entry + FA.fa_next));
      kfree(k, entry);
      return 1;
    }
    slot = entry + FA.fa_next;
  }
  if (on === 0) return 0;
  const made = kzalloc(k, FA.sizeof);
  if (made === 0) return -ENOMEM;
  store32(k, made + FA.magic, FASYNC_MAGIC);
  store32(k, made + FA.fa_fd, fd);
  store64(k, made + FA.fa_file, file);
  store64(k, made + FA.fa_next, load64(k, list));
  store64(k, list, made);
  store32(k, file + FILE.f_flags, flags | O_ASYNC);
  return 1;
}
/** kill_fasync(list, signal, band). */
function kill(k: Kernel, list: number, signal: number, band: number): void {
  let entry = load64(k, list);
  for (let i = 0; entry !== 0 && i < LIST_MAX && !k.current.faulted; i++) {
    if (load32(k, entry + FA.magic) !== FASYNC_MAGIC) {
      k.printk.log(3, 'kill_fasync: bad magic number in fasync_struct!');
      return;
    }
    const file = k.drivers.moduleFiles.get(load64(k, entry + FA.fa_file));
    // SIGURG is sent only to those who asked for another signal instead.
    if (file !== undefined && !(signal === SIGURG && file.signum === 0)) sendSigio(k, file, load32(k, entry + FA.fa_fd) | 0, band);
    entry = load64(k, entry + FA.fa_next);
  }
}
export const fasyncExports: readonly FunctionExport[] = [fn('fasync_helper', helper), fn('kill_fasync', (k, list, signal, band) => kill(k, list, signal, band | 0))];
